"""ROVER: recognisers vote word by word (Fiscus 1997, "A post-processing system to yield reduced word error
rates: Recognizer Output Voting Error Reduction").

The outputs are aligned into a confusion network; in each column the score of a word is
``alpha * N + (1 - alpha) * C``, where N is its share of the vote and C the average (or maximum) confidence of
those who said it; saying nothing has the confidence ``null_confidence``. With ``n_best`` > 1 a system's vote
is shared out over its hypotheses by their posteriors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.confusion_network import Column, build_confusion_network
from components.ensembling.output_level.weighted_hypotheses import (
    SystemNBest,
    WeightedHypothesis,
    posterior_weights,
)
from components.ensembling.output_level.words import MIN_CONFIDENCE, split_words
from components.metrics.normalizers import without_spaces
from components.records import Hypothesis, Token
from components.text_normalization import get_normalizer


@dataclass(frozen=True)
class WinningWord:
    """The winner of one column.

    ``word`` as the first of its voters writes it, "" where nothing won; ``share`` of the column's scores,
    in (0, 1]; ``support``: system -> the confidence it gives to this choice, averaged over its votes.
    """

    word: str
    share: float
    support: dict[str, float]


def combine_by_rover(
    nbests: Sequence[SystemNBest], config: SystemCombinationConfig, language: str = "und"
) -> Hypothesis:
    """The words that win their columns, as one hypothesis whose tokens say who voted for which word.

    A token without text is a column in which silence won. A token's log-probability is that of its share, so
    the score is their sum; ``members`` holds the log of the confidence of every system that agrees. Order
    matters twice: systems are aligned in the order given, and a tie goes to what the first of them says.
    """
    normalize = None if config.normaliser == "none" else get_normalizer(config.normaliser)
    rows = posterior_weights(nbests, config.n_best, config.scale)
    columns = build_confusion_network([split_words(row.hypothesis, language, normalize) for row in rows])
    choices = [elect_word(column, rows, config) for column in columns]
    space = "" if without_spaces(language) else " "
    tokens = tuple(
        Token(
            piece=space + choice.word if choice.word else "",
            log_prob=math.log(choice.share),
            members={name: math.log(value) for name, value in choice.support.items()},
        )
        for choice in choices
    )
    shares = [choice.share for choice in choices]
    return Hypothesis(
        text=space.join(choice.word for choice in choices if choice.word),
        score=math.fsum(token.log_prob for token in tokens),
        n_tokens=len(tokens),
        system="rover",
        features={
            "systems": float(len(nbests)),
            "agreement": math.fsum(shares) / len(shares) if shares else 1.0,
            "unanimous": sum(len({w.key if w else None for w in c}) == 1 for c in columns) / len(columns)
            if columns
            else 1.0,
        },
        tokens=tokens,
    )


def elect_word(
    column: Column, rows: Sequence[WeightedHypothesis], config: SystemCombinationConfig
) -> WinningWord:
    """The best word of a column, or none. ``rows`` are the voters, in the order of the column's entries."""
    voters: dict[str | None, list[int]] = {}
    for number, word in enumerate(column):
        voters.setdefault(word.key if word else None, []).append(number)
    scores = {key: _score_word(column, numbers, rows, config) for key, numbers in voters.items()}
    # Equal sums of different votes differ in the last bit; rounded, the first voter's word wins a tie.
    best = max(scores, key=lambda key: round(scores[key], 12))
    word = column[voters[best][0]]
    total = math.fsum(scores.values())
    share = scores[best] / total if total > 0 else 1.0 / len(scores)
    return WinningWord(
        word.surface if word else "", min(share, 1.0), _confidence_by_system(column, voters[best], rows)
    )


def _score_word(
    column: Column,
    numbers: Sequence[int],
    rows: Sequence[WeightedHypothesis],
    config: SystemCombinationConfig,
) -> float:
    """``alpha * N + (1 - alpha) * C`` of the word that the voters ``numbers`` gave."""
    votes = math.fsum(rows[number].weight for number in numbers)
    if config.voting == "frequency":
        return votes
    confidences = [
        word.confidence if (word := column[number]) else config.null_confidence for number in numbers
    ]
    if config.voting == "maximum":
        confidence = max(confidences)
    elif votes > 0:
        weighted = (rows[n].weight * c for n, c in zip(numbers, confidences, strict=True))
        confidence = math.fsum(weighted) / votes
    else:
        confidence = 0.0
    return config.alpha * votes + (1 - config.alpha) * confidence


def _confidence_by_system(
    column: Column, numbers: Sequence[int], rows: Sequence[WeightedHypothesis]
) -> dict[str, float]:
    vote_weights: dict[str, float] = {}
    for row in rows:
        vote_weights[row.system] = vote_weights.get(row.system, 0.0) + row.weight
    confidences: dict[str, float] = {}
    for number in numbers:
        row, word = rows[number], column[number]
        confidences[row.system] = confidences.get(row.system, 0.0) + row.weight * (
            word.confidence if word else 1.0
        )
    return {
        name: min(max(v / vote_weights[name], MIN_CONFIDENCE), 1.0)
        for name, v in confidences.items()
        if vote_weights[name] > 0
    }
