"""Features of a text that need no reference: the table of their names, and their values for one text.

Names follow Fomicheva et al. 2020, "Unsupervised Quality Estimation for Neural Machine Translation"
(arXiv:2005.10608), and the literature on confidence in speech recognition. A feature that a system does not
give is absent; what is there is finite.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from components.confidence import agreement, nbest_features, token_features
from components.confidence.feature_functions import (
    Feature,
    Text,
    consensus,
    count_words,
    of_best,
    of_list,
    per_second,
    per_source,
    with_best,
    with_list,
    with_text,
)
from components.confidence.word_features import WORD_FEATURES, extract_word_features
from components.number_ranges import ANY, LOG_PROBABILITY, NONNEGATIVE, PROBABILITY
from components.recognition.whisper.fallback import compression_ratio
from components.records import NBest, Quarantined, Route, Utterance
from components.text.text_confidence import ESTIMATES

__all__ = ["ESTIMATES", "FEATURES", "WORD_FEATURES", "extract_features", "extract_word_features"]


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
        LOG_PROBABILITY,
        of_best(token_features.mean_log_prob),
    ),
    "min_log_prob": Feature(
        "lowest log-probability of a token that writes text",
        _FOMICHEVA,
        "tokens",
        LOG_PROBABILITY,
        of_best(token_features.aggregate_log_probs(min)),
    ),
    "std_log_prob": Feature(
        "standard deviation of the log-probabilities of these tokens (Sent-Std)",
        _FOMICHEVA,
        "tokens",
        NONNEGATIVE,
        of_best(token_features.aggregate_log_probs(statistics.pstdev)),
    ),
    "mean_entropy": Feature(
        "mean entropy of the distributions that the tokens were taken from, in nats (Softmax-Ent)",
        _FOMICHEVA,
        _STATISTICS,
        NONNEGATIVE,
        of_best(token_features.aggregate_entropy(statistics.fmean)),
    ),
    "max_entropy": Feature(
        "highest of these entropies",
        _FOMICHEVA,
        _STATISTICS,
        NONNEGATIVE,
        of_best(token_features.aggregate_entropy(max)),
    ),
    "mean_margin": Feature(
        "mean of the likeliest token's log-probability minus that of the next",
        "Scheffer et al. 2001",
        _STATISTICS,
        NONNEGATIVE,
        of_best(token_features.aggregate_margin(statistics.fmean)),
    ),
    "min_margin": Feature(
        "lowest of these margins",
        "Scheffer et al. 2001",
        _STATISTICS,
        NONNEGATIVE,
        of_best(token_features.aggregate_margin(min)),
    ),
    "member_disagreement": Feature(
        "mean standard deviation of the log-probabilities that an ensemble's members gave a token",
        "Malinin and Gales 2021",
        "tokens of an ensemble",
        NONNEGATIVE,
        of_best(token_features.aggregate_disagreement(statistics.fmean)),
    ),
    "max_member_disagreement": Feature(
        "highest of these standard deviations",
        "Malinin and Gales 2021",
        "tokens of an ensemble",
        NONNEGATIVE,
        of_best(token_features.aggregate_disagreement(max)),
    ),
    "posterior": Feature(
        "the first text's share of the softmax of its list's scores",
        _LISTS,
        _A_LIST,
        PROBABILITY,
        of_list(nbest_features.posterior_of_first),
    ),
    "posterior_entropy": Feature(
        "entropy of these posteriors in nats",
        _LISTS,
        _A_LIST,
        NONNEGATIVE,
        of_list(nbest_features.posterior_entropy),
    ),
    "margin": Feature(
        "score of the first hypothesis minus that of the next text, in nats",
        _LISTS,
        "two different texts",
        ANY,
        of_list(nbest_features.margin_to_second),
    ),
    "nbest_similarity": Feature(
        "mean chrF of the first text against the others of its list, 0 to 1",
        _FOMICHEVA,
        _A_LIST,
        PROBABILITY,
        of_list(nbest_features.similarity_to_others),
    ),
    "sample_share": Feature(
        "share of the list that has the first text: of samples, where equal ones are kept",
        "Wang et al. 2023 (self-consistency)",
        _A_LIST,
        PROBABILITY,
        of_list(nbest_features.share_of_first),
    ),
    "compression_ratio": Feature(
        "letters of the text per byte after zlib; above 2.4 it repeats itself",
        _WHISPER,
        "a text",
        NONNEGATIVE,
        lambda text: compression_ratio(text.nbest.best.text) if text.nbest.best.text else None,
    ),
    "n_words": Feature(
        "words", _QUEST, "a text", NONNEGATIVE, lambda text: count_words(text.nbest.best.text)
    ),
    "seconds": Feature(
        "length of the speech in seconds",
        _QUEST,
        "speech",
        NONNEGATIVE,
        lambda text: None if text.utterance.audio is None else text.utterance.audio.seconds,
    ),
    "words_per_second": Feature(
        "speaking rate in words", "Hirschberg et al. 2004", "speech", NONNEGATIVE, per_second(count_words)
    ),
    "characters_per_second": Feature(
        "speaking rate in characters", "Hirschberg et al. 2004", "speech", NONNEGATIVE, per_second(len)
    ),
    "word_ratio": Feature(
        "words of the translation per word of its source",
        _QUEST,
        "a source text",
        NONNEGATIVE,
        per_source(count_words),
    ),
    "character_ratio": Feature(
        "characters of the translation per character of its source",
        _QUEST,
        "a source text",
        NONNEGATIVE,
        per_source(len),
    ),
    "no_speech": Feature(
        "probability that nothing is said, the highest of its windows", _WHISPER, "Whisper", PROBABILITY
    ),
    "temperature": Feature(
        "highest temperature that a window was decoded at", _WHISPER, "Whisper", NONNEGATIVE
    ),
    "language_probability": Feature(
        "probability of the language, where it was detected",
        _WHISPER,
        "Whisper, speech of a language that nobody stated, entropies: true",
        PROBABILITY,
    ),
    "agreement": Feature(
        "mean share of the votes for the words of ROVER", "Fiscus 1997", "ROVER", PROBABILITY
    ),
    "unanimous": Feature(
        "share of the columns that all systems agree on", "Fiscus 1997", "ROVER", PROBABILITY
    ),
    "unfamiliar": Feature(
        "share of the sentences that are unlike what the translator was made for",
        "Antiphon",
        "a domain",
        PROBABILITY,
    ),
    "agreement_chrf.INPUT": Feature(
        "chrF of the text against a further text, 0 to 1",
        _FOMICHEVA,
        "a further text",
        PROBABILITY,
        compare=with_text(agreement.chrf_similarity),
    ),
    "agreement_words.INPUT": Feature(
        "1 - edit distance in words / words of the longer text",
        "Jiang 2005",
        "a further text",
        PROBABILITY,
        compare=with_text(agreement.word_similarity),
    ),
    "mean_log_prob.INPUT": Feature(
        "mean log-probability of a further text's own tokens, as of the transcript that was translated",
        _FOMICHEVA,
        "a further text with a score",
        LOG_PROBABILITY,
        compare=with_best(token_features.mean_log_prob),
    ),
    "min_log_prob.INPUT": Feature(
        "lowest log-probability of a token of it",
        _FOMICHEVA,
        "a further text with tokens",
        LOG_PROBABILITY,
        compare=with_best(token_features.aggregate_log_probs(min)),
    ),
    "consensus.INPUT": Feature(
        "mean chrF of the text against each of the samples or dropout passes",
        _FOMICHEVA,
        "a further text with a list",
        PROBABILITY,
        compare=consensus,
    ),
    "lexical_similarity.INPUT": Feature(
        "mean chrF of all pairs of the samples or dropout passes (D-Lex-Sim)",
        _FOMICHEVA,
        "a further text with a list",
        PROBABILITY,
        compare=with_list(nbest_features.similarity_within),
    ),
    "passes_log_prob.INPUT": Feature(
        "mean over the passes of their mean log-probability (D-TP, each pass on its own text)",
        _FOMICHEVA,
        "a further text with a list",
        LOG_PROBABILITY,
        compare=with_list(nbest_features.mean_log_prob_over_list),
    ),
    "value.INPUT": Feature(
        "the number in a table, such as a score by another model, a round trip, CometKiwi",
        "Rei et al. 2022",
        "a table",
        ANY,
        compare=lambda _, other: other.value if isinstance(other, Route) else None,
    ),
}
"""Feature by its name; INPUT is the name of a further input of the node, one feature for each."""
SUFFIX = ".INPUT"


def extract_features(
    nbest: NBest, utterance: Utterance, others: Mapping[str, NBest | Route | Quarantined]
) -> dict[str, float]:
    """Return the features of the best hypothesis of a list.

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
