"""Features of the words of a text: the table of their names, and their values word by word."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.confidence.agreement import keys_of, matched_words
from components.confidence.nbest_features import text_posteriors
from components.confidence.word_tokens import probabilities_of_words, tokens_of_words
from components.records import NBest, Quarantined, Route, Token


@dataclass(frozen=True)
class Word:
    """A word of a text, and what is known of it.

    Attributes:
        text: with its punctuation.
        index: its number in the text, from 0.
        n_words: words of the text.
        tokens: those that write it.
        probabilities: of the timed words that it holds.
        posterior: share of its list's posterior that has it; None for a list of one.
        supported: further input -> whether it has the word.
    """

    text: str
    index: int
    n_words: int
    tokens: Sequence[Token]
    probabilities: Sequence[float]
    posterior: float | None
    supported: Mapping[str, bool]


@dataclass(frozen=True)
class WordFeature:
    """A row of the table: what it is, what it needs, and its value for a word; None where that lacks."""

    summary: str
    needs: str
    compute: Callable[[Word], float | None]


def _of_tokens(
    aggregate: Callable[[Sequence[float]], float], value_of: Callable[[Token], float | None]
) -> Callable[[Word], float | None]:
    def compute(word: Word) -> float | None:
        values = [value for token in word.tokens if (value := value_of(token)) is not None]
        return aggregate(values) if values else None

    return compute


def _disagreement(token: Token) -> float | None:
    return statistics.pstdev(token.members.values()) if len(token.members) > 1 else None


_STATISTICS = "entropies: true"
WORD_FEATURES: dict[str, WordFeature] = {
    "mean_log_prob": WordFeature(
        "mean log-probability of its tokens in nats",
        "tokens",
        _of_tokens(statistics.fmean, lambda token: token.log_prob),
    ),
    "min_log_prob": WordFeature(
        "lowest log-probability of its tokens", "tokens", _of_tokens(min, lambda token: token.log_prob)
    ),
    "max_entropy": WordFeature(
        "highest entropy of its tokens' distributions in nats",
        _STATISTICS,
        _of_tokens(max, lambda token: token.entropy),
    ),
    "min_margin": WordFeature(
        "lowest of its tokens' margins: likeliest minus next log-probability",
        _STATISTICS,
        _of_tokens(min, lambda token: token.margin),
    ),
    "member_disagreement": WordFeature(
        "highest standard deviation of what an ensemble's members gave a token of it",
        "tokens of an ensemble",
        _of_tokens(max, _disagreement),
    ),
    "posterior": WordFeature(
        "share of the posterior of the n-best list whose texts have the word in alignment (Evermann and "
        "Woodland 2000)",
        "a list of two or more",
        lambda word: word.posterior,
    ),
    "probability": WordFeature(
        "mean probability that the aligner of word times gave it",
        "word_times: true",
        lambda word: statistics.fmean(word.probabilities) if word.probabilities else None,
    ),
    "n_tokens": WordFeature(
        "tokens that write it", "tokens", lambda word: len(word.tokens) if word.tokens else None
    ),
    "n_characters": WordFeature("its characters", "a text", lambda word: len(word.text)),
    "position": WordFeature(
        "where it stands, from 0 (first) to 1 (last)",
        "a text",
        lambda word: word.index / max(word.n_words - 1, 1),
    ),
    "n_words": WordFeature("words of the text", "a text", lambda word: word.n_words),
}
"""Feature of a word by its name; beside them ``supported.INPUT``: 1 where a further text has the word."""


def extract_word_features(
    nbest: NBest, others: Mapping[str, NBest | Route | Quarantined] | None = None
) -> list[dict[str, float]]:
    """Return the features of each word of ``nbest.best.text.split()``: finite values by name, others absent.

    Args:
        nbest: the list whose best hypothesis is meant.
        others: further inputs by name; those that are texts give ``supported.NAME``.
    """
    return [_values_of(word) for word in _words_of(nbest, others or {})]


def _values_of(word: Word) -> dict[str, float]:
    values = {name: row.compute(word) for name, row in WORD_FEATURES.items()}
    values |= {f"supported.{name}": float(has_it) for name, has_it in word.supported.items()}
    return {
        name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)
    }


def _words_of(nbest: NBest, others: Mapping[str, NBest | Route | Quarantined]) -> list[Word]:
    best = nbest.best
    texts, keys = best.text.split(), keys_of(best.text)
    posteriors = _word_posteriors(nbest, keys)
    tokens, probabilities = tokens_of_words(best), probabilities_of_words(best)
    matches = {
        name: matched_words(keys, keys_of(other.best.text))
        for name, other in others.items()
        if isinstance(other, NBest)
    }
    return [
        Word(
            text=text,
            index=i,
            n_words=len(texts),
            tokens=tokens[i],
            probabilities=probabilities[i],
            posterior=posteriors[i],
            supported={name: i in numbers for name, numbers in matches.items()},
        )
        for i, text in enumerate(texts)
    ]


def _word_posteriors(nbest: NBest, keys: Sequence[str]) -> Sequence[float | None]:
    if len(nbest.hypotheses) == 1:
        return [None] * len(keys)
    shares = [0.0] * len(keys)
    for text, share in text_posteriors(nbest.hypotheses).items():
        for i in matched_words(keys, keys_of(text)):
            shares[i] += share
    return shares
