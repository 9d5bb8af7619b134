"""Features of a text that need no reference: the table of their names, and their values for one text.

Names follow Fomicheva et al. 2020, "Unsupervised Quality Estimation for Neural Machine Translation"
(arXiv:2005.10608), and the literature on confidence in speech recognition. A feature that a system does not
give is absent; what is there is finite.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.confidence import agreement, nbest_features, token_features
from components.confidence.word_features import WORD_FEATURES, extract_word_features
from components.recognition.whisper.fallback import compression_ratio
from components.records import NBest, Quarantined, Route, Utterance
from components.text_confidence import ESTIMATES

__all__ = ["ESTIMATES", "FEATURES", "WORD_FEATURES", "extract_features", "extract_word_features"]


@dataclass(frozen=True)
class Text:
    """A text whose features are computed: the n-best list that it leads, and its utterance."""

    nbest: NBest
    utterance: Utterance


@dataclass(frozen=True)
class Feature:
    """A row of the table.

    Attributes:
        summary: what it is, with its unit.
        source: who proposed it, or where it is used.
        needs: what a text must have; where it has not, the feature is absent.
        compute: of a text; None where it lacks what is needed. A row without it is a number that systems
            write into their hypotheses themselves.
        compare: of a text and a further input, for a feature ``NAME.INPUT``.
    """

    summary: str
    source: str
    needs: str
    compute: Callable[[Text], float | None] | None = None
    compare: Callable[[Text, NBest | Route], float | None] | None = None


def _of_best(function: Callable[..., float | None]) -> Callable[[Text], float | None]:
    return lambda text: function(text.nbest.best)


def _of_list(function: Callable[[NBest], float | None]) -> Callable[[Text], float | None]:
    return lambda text: function(text.nbest)


def _per_second(count: Callable[[str], int]) -> Callable[[Text], float | None]:
    def rate(text: Text) -> float | None:
        audio = text.utterance.audio
        return None if audio is None else count(text.nbest.best.text) / audio.seconds

    return rate


def _per_source(count: Callable[[str], int]) -> Callable[[Text], float | None]:
    def ratio(text: Text) -> float | None:
        source = count(text.utterance.text or "")
        return count(text.nbest.best.text) / source if source else None

    return ratio


def _with_text(function: Callable[[str, str], float]) -> Callable[[Text, NBest | Route], float | None]:
    return lambda text, other: (
        function(text.nbest.best.text, other.best.text) if isinstance(other, NBest) else None
    )


def _with_list(function: Callable[[NBest], float | None]) -> Callable[[Text, NBest | Route], float | None]:
    def of_list(text: Text, other: NBest | Route) -> float | None:
        several = isinstance(other, NBest) and len(other.hypotheses) > 1
        return function(other) if several else None  # type: ignore[arg-type]

    return of_list


def _consensus(text: Text, other: NBest | Route) -> float | None:
    if not isinstance(other, NBest) or len(other.hypotheses) == 1:
        return None
    return agreement.mean_similarity(text.nbest.best.text, [h.text for h in other.hypotheses])


def _words(text: str) -> int:
    return len(text.split())


_FOMICHEVA = "Fomicheva et al. 2020"
_WHISPER = "Radford et al. 2022 (Whisper)"
_LISTS = "Wessel et al. 2001"
_QUEST = "Specia et al. 2013 (QuEst)"
_A_LIST = "a list of two or more"
_STATISTICS = "entropies: true"

FEATURES: dict[str, Feature] = {
    "mean_log_prob": Feature(
        "mean log-probability of the tokens in nats (TP)",
        _FOMICHEVA,
        "a score",
        _of_best(token_features.mean_log_prob),
    ),
    "min_log_prob": Feature(
        "lowest log-probability of a token that writes text",
        _FOMICHEVA,
        "tokens",
        _of_best(token_features.aggregate_log_probs(min)),
    ),
    "std_log_prob": Feature(
        "standard deviation of the log-probabilities of these tokens (Sent-Std)",
        _FOMICHEVA,
        "tokens",
        _of_best(token_features.aggregate_log_probs(statistics.pstdev)),
    ),
    "mean_entropy": Feature(
        "mean entropy of the distributions that the tokens were taken from, in nats (Softmax-Ent)",
        _FOMICHEVA,
        _STATISTICS,
        _of_best(token_features.aggregate_entropy(statistics.fmean)),
    ),
    "max_entropy": Feature(
        "highest of these entropies",
        _FOMICHEVA,
        _STATISTICS,
        _of_best(token_features.aggregate_entropy(max)),
    ),
    "mean_margin": Feature(
        "mean of the likeliest token's log-probability minus that of the next",
        "Scheffer et al. 2001",
        _STATISTICS,
        _of_best(token_features.aggregate_margin(statistics.fmean)),
    ),
    "min_margin": Feature(
        "lowest of these margins",
        "Scheffer et al. 2001",
        _STATISTICS,
        _of_best(token_features.aggregate_margin(min)),
    ),
    "member_disagreement": Feature(
        "mean standard deviation of the log-probabilities that an ensemble's members gave a token",
        "Malinin and Gales 2021",
        "tokens of an ensemble",
        _of_best(token_features.aggregate_disagreement(statistics.fmean)),
    ),
    "max_member_disagreement": Feature(
        "highest of these standard deviations",
        "Malinin and Gales 2021",
        "tokens of an ensemble",
        _of_best(token_features.aggregate_disagreement(max)),
    ),
    "posterior": Feature(
        "the first text's share of the softmax of its list's scores",
        _LISTS,
        _A_LIST,
        _of_list(nbest_features.posterior_of_first),
    ),
    "posterior_entropy": Feature(
        "entropy of these posteriors in nats",
        _LISTS,
        _A_LIST,
        _of_list(nbest_features.posterior_entropy),
    ),
    "margin": Feature(
        "score of the first hypothesis minus that of the next text, in nats",
        _LISTS,
        "two different texts",
        _of_list(nbest_features.margin_to_second),
    ),
    "nbest_similarity": Feature(
        "mean chrF of the first text against the others of its list, 0 to 1",
        _FOMICHEVA,
        _A_LIST,
        _of_list(nbest_features.similarity_to_others),
    ),
    "sample_share": Feature(
        "share of the list that has the first text: of samples, where equal ones are kept",
        "Wang et al. 2023 (self-consistency)",
        _A_LIST,
        _of_list(nbest_features.share_of_first),
    ),
    "compression_ratio": Feature(
        "bytes of the text per byte after zlib; above 2.4 it repeats itself",
        _WHISPER,
        "a text",
        lambda text: compression_ratio(text.nbest.best.text) if text.nbest.best.text else None,
    ),
    "n_words": Feature("words", _QUEST, "a text", lambda text: _words(text.nbest.best.text)),
    "seconds": Feature(
        "length of the speech in seconds",
        _QUEST,
        "speech",
        lambda text: None if text.utterance.audio is None else text.utterance.audio.seconds,
    ),
    "words_per_second": Feature(
        "speaking rate in words", "Hirschberg et al. 2004", "speech", _per_second(_words)
    ),
    "characters_per_second": Feature(
        "speaking rate in characters", "Hirschberg et al. 2004", "speech", _per_second(len)
    ),
    "word_ratio": Feature(
        "words of the translation per word of its source", _QUEST, "a source text", _per_source(_words)
    ),
    "character_ratio": Feature(
        "characters of the translation per character of its source",
        _QUEST,
        "a source text",
        _per_source(len),
    ),
    "no_speech": Feature("probability that nothing is said, the highest of its windows", _WHISPER, "Whisper"),
    "temperature": Feature("highest temperature that a window was decoded at", _WHISPER, "Whisper"),
    "language_probability": Feature(
        "probability of the language, where it was detected",
        _WHISPER,
        "Whisper, speech of a language that nobody stated, entropies: true",
    ),
    "agreement": Feature("mean share of the votes for the words of ROVER", "Fiscus 1997", "ROVER"),
    "unanimous": Feature("share of the columns that all systems agree on", "Fiscus 1997", "ROVER"),
    "unfamiliar": Feature(
        "share of the sentences that are unlike what the translator was made for", "Antiphon", "a domain"
    ),
    "agreement_chrf.INPUT": Feature(
        "chrF of the text against a further text, 0 to 1",
        _FOMICHEVA,
        "a further text",
        compare=_with_text(agreement.chrf_similarity),
    ),
    "agreement_words.INPUT": Feature(
        "1 - edit distance in words / words of the longer text",
        "Jiang 2005",
        "a further text",
        compare=_with_text(agreement.word_similarity),
    ),
    "consensus.INPUT": Feature(
        "mean chrF of the text against each of the samples or dropout passes",
        _FOMICHEVA,
        "a further text with a list",
        compare=_consensus,
    ),
    "lexical_similarity.INPUT": Feature(
        "mean chrF of all pairs of the samples or dropout passes (D-Lex-Sim)",
        _FOMICHEVA,
        "a further text with a list",
        compare=_with_list(nbest_features.similarity_within),
    ),
    "passes_log_prob.INPUT": Feature(
        "mean over the passes of their mean log-probability (D-TP, each pass on its own text)",
        _FOMICHEVA,
        "a further text with a list",
        compare=_with_list(nbest_features.mean_log_prob_over_list),
    ),
    "value.INPUT": Feature(
        "the number in a table, such as a score by another model, a round trip, CometKiwi",
        "Rei et al. 2022",
        "a table",
        compare=lambda _, other: other.value if isinstance(other, Route) else None,
    ),
}
"""Feature by its name; INPUT is the name of a further input of the node, one feature for each."""
SUFFIX = ".INPUT"


def extract_features(
    nbest: NBest, utterance: Utterance, others: Mapping[str, NBest | Route | Quarantined]
) -> dict[str, float]:
    """The features of the best hypothesis of a list.

    Args:
        nbest: the list.
        utterance: its ``text`` is the source of a translation, its ``audio`` what was said.
        others: further inputs by name: texts by their agreement with this one, tables by their numbers.

    Returns:
        Finite values by name: rows of :data:`FEATURES`, and whatever else the system wrote into the
        hypothesis. Features of what was quarantined are absent.
    """
    text = Text(nbest, utterance)
    values: dict[str, float | None] = {
        name: value
        for name, value in nbest.best.features.items()
        if name not in ESTIMATES  # no estimate is fitted on an estimate
    }
    for name, row in FEATURES.items():
        if row.compute is not None:
            values[name] = row.compute(text)
        for input_name, other in others.items():
            if row.compare is not None and not isinstance(other, Quarantined):
                values[f"{name.removesuffix(SUFFIX)}.{input_name}"] = row.compare(text, other)
    return {
        name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)
    }
