"""Signals of a node's texts: how sure, how long, how repetitive, how alike, how familiar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from components.confidence.agreement import keys_of
from components.confidence.features import extract_features
from components.records import NBest, Quarantined, Route, Utterance
from components.text.text_confidence import estimates_of

CHOSEN: dict[str, str] = {
    "mean_log_prob": "mean log-probability of a token",
    "mean_entropy": "mean entropy of a token in nats",
    "no_speech": "probability that nothing is said",
    "temperature": "temperature of the search",
    "language_probability": "probability of the detected language",
    "compression_ratio": "compression ratio, high where a text repeats itself",
    "words_per_second": "words a second",
    "character_ratio": "characters per character of the source",
    "agreement": "agreement of the systems",
    "unfamiliar": "share of unfamiliar sentences",
}
"""Features of texts that are watched, and how they are told."""
OWN: dict[str, str] = {
    "expected_wer": "expected WER",
    "expected_chrf": "expected chrF",
    "p_correct": "probability of no error",
    "p_bad": "probability that it is bad",
    "repeated_share": "share of words in repeated word triples",
    "is_empty": "share of empty texts",
    "other_language": "share in another language",
    "unseen_share": "share of words that accepted texts lack",
}
"""Further signals of texts."""
AGREEMENT = "agreement_words"
"""Beginning of the signals of how alike a text and another node's are."""


def measure_text(nbest: NBest, utterance: Utterance, others: Mapping[str, NBest]) -> dict[str, float]:
    """Return the signals of the first text of a list.

    Args:
        nbest: the list.
        utterance: its ``text`` is the source of a translation.
        others: texts of the same utterance in the same language, by node.
    """
    compared: dict[str, NBest | Route | Quarantined] = dict(others)
    features = extract_features(nbest, utterance, compared)
    text = nbest.best.text
    return {
        **{name: features[name] for name in CHOSEN if name in features},
        **{name: value for name, value in features.items() if name.startswith(f"{AGREEMENT}.")},
        **estimates_of(nbest.best),
        "repeated_share": repeated_share(text),
        "is_empty": float(not text.strip()),
    }


def repeated_share(text: str) -> float:
    """Return the share of words that stand in a triple of words which the text has more than once."""
    words = words_of(text)
    triples = list(zip(words, words[1:], words[2:], strict=False))
    counts = Counter(triples)
    repeated = {n + k for n, triple in enumerate(triples) if counts[triple] > 1 for k in range(3)}
    return len(repeated) / len(words) if words else 0.0


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are compared, without those of punctuation only."""
    return list(filter(None, keys_of(text)))
