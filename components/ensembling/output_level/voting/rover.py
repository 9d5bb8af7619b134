"""ROVER: recognizers vote word by word.

Source: Fiscus 1997, "A post-processing system to yield reduced word error rates: Recognizer Output Voting
Error Reduction".

The outputs are aligned into a confusion network. In each column the score of a word is
``alpha * N + (1 - alpha) * C``: N is the share of the votes for it, C the average (or maximum) confidence of
the hypotheses that have it; having no word there counts with the confidence ``null_confidence``. With
``n_best`` > 1 a system's vote is divided among its hypotheses by their posteriors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.estimated_weights import require_word_confidences
from components.ensembling.output_level.voting.confusion_network import Column, build_confusion_network
from components.ensembling.output_level.voting.word_confidences import split_words
from components.ensembling.output_level.voting.words import MIN_CONFIDENCE
from components.ensembling.output_level.weighted_hypotheses import (
    SystemNBest,
    WeightedHypothesis,
    posterior_weights,
)
from components.metrics.normalizers import normalizer_for
from components.records import Hypothesis, Segment, Token
from components.text.languages import UNDETERMINED, without_spaces
from components.text.matching.retiming import retime


@dataclass(frozen=True)
class WinningWord:
    """The winner of one column.

    Attributes:
        word: as the first hypothesis that has it writes it; "" where having no word won.
        share: its part of the sum of the column's scores, in (0, 1].
        support: system -> its confidence in the winner, averaged over its votes.
    """

    word: str
    share: float
    support: dict[str, float]


def combine_by_rover(
    nbests: Sequence[SystemNBest], config: SystemCombinationConfig, language: str = UNDETERMINED
) -> Hypothesis:
    """Combine the hypotheses of several systems word by word.

    Systems are aligned in their order, and a tie goes to the word of the first of them.

    Args:
        nbests: one list per system.
        config: voting, and the weights and number of hypotheses.
        language: of the texts.

    Returns:
        One hypothesis with a token per column. A token without text is a column that no word won. A token's
        log-probability is the log of its share of the scores, and the score is their sum; its ``members``
        hold the log of the confidence of every system that voted for it.
    """
    normalize = None if config.normalizer == "none" else normalizer_for(language, config.normalizer)
    calibrated = config.confidence == "calibrated"
    if calibrated:
        require_word_confidences(nbests)
    voters = posterior_weights(nbests, config.n_best, config.scale)
    columns = build_confusion_network(
        [split_words(voter.hypothesis, language, normalize, calibrated=calibrated) for voter in voters]
    )
    winners = [elect_word(column, voters, config) for column in columns]
    space = "" if without_spaces(language) else " "
    tokens = tuple(
        Token(
            piece=space + winner.word if winner.word else "",
            log_prob=math.log(winner.share),
            members={name: math.log(value) for name, value in winner.support.items()},
        )
        for winner in winners
    )
    text = space.join(winner.word for winner in winners if winner.word)
    shares = [winner.share for winner in winners]
    return Hypothesis(
        text=text,
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
        segments=_find_times(text, nbests, language),
    )


def _find_times(text: str, nbests: Sequence[SystemNBest], language: str) -> tuple[Segment, ...]:
    """The times of the first system's best hypothesis that has any, put on the words that were elected."""
    timed = (nbest.hypotheses[0].segments for nbest in nbests if nbest.hypotheses[0].segments)
    return retime(text, language, next(timed, ()))


def elect_word(
    column: Column, voters: Sequence[WeightedHypothesis], config: SystemCombinationConfig
) -> WinningWord:
    """Return the word with the highest score of a column, or none.

    Args:
        column: one entry per voter.
        voters: the hypotheses, in the order of the column's entries.
        config: how votes and confidences are weighed.
    """
    numbers_by_key: dict[str | None, list[int]] = {}
    for number, word in enumerate(column):
        numbers_by_key.setdefault(word.key if word else None, []).append(number)
    scores = {key: _score_word(column, numbers, voters, config) for key, numbers in numbers_by_key.items()}
    # Equal sums of different votes differ in the last bit; rounded, the first voter's word wins a tie.
    best = max(scores, key=lambda key: round(scores[key], 12))
    word = column[numbers_by_key[best][0]]
    total = math.fsum(scores.values())
    share = scores[best] / total if total > 0 else 1.0 / len(scores)
    return WinningWord(
        word.surface if word else "",
        share,
        _confidence_by_system(column, numbers_by_key[best], voters),
    )


def _score_word(
    column: Column,
    numbers: Sequence[int],
    voters: Sequence[WeightedHypothesis],
    config: SystemCombinationConfig,
) -> float:
    """Return ``alpha * N + (1 - alpha) * C`` of the word that the voters ``numbers`` have."""
    votes = math.fsum(voters[number].weight for number in numbers)
    if config.voting == "frequency":
        return votes
    confidences = [
        word.confidence if (word := column[number]) else config.null_confidence for number in numbers
    ]
    if config.voting == "maximum":
        confidence = max(confidences)
    elif votes > 0:
        weighted = (voters[number].weight * value for number, value in zip(numbers, confidences, strict=True))
        confidence = math.fsum(weighted) / votes
    else:
        confidence = 0.0
    return config.alpha * votes + (1 - config.alpha) * confidence


def _confidence_by_system(
    column: Column, numbers: Sequence[int], voters: Sequence[WeightedHypothesis]
) -> dict[str, float]:
    vote_weights: dict[str, float] = {}
    for voter in voters:
        vote_weights[voter.system] = vote_weights.get(voter.system, 0.0) + voter.weight
    confidences: dict[str, float] = {}
    for number in numbers:
        voter, word = voters[number], column[number]
        confidences[voter.system] = confidences.get(voter.system, 0.0) + voter.weight * (
            word.confidence if word else 1.0
        )
    return {
        name: min(max(value / vote_weights[name], MIN_CONFIDENCE), 1.0)
        for name, value in confidences.items()
        if vote_weights[name] > 0
    }
