"""Parallel text as (source, target) pairs, and pairs as ids."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from components import data
from components.errors import DataError
from components.records import Utterance
from components.training.config import TrainingConfig
from components.training.examples.bagging import resample_items
from components.training.examples.batches import Example
from components.training.examples.vocabulary import EOS, has_tag, load, tag

Pair = tuple[str, str]
_log = logging.getLogger("antiphon.training")


def read_pairs(source: str, languages: tuple[str, str], limit: int | None = None) -> tuple[list[Pair], str]:
    """Read the sentence pairs of a data set, and its digest.

    Raises:
        DataError: where it has no translated text.
    """
    dataset = data.load(source, source_language=languages[0], target_language=languages[1], limit=limit)
    pairs = pairs_of(dataset.utterances)
    if not pairs:
        raise DataError(f"{source}: expected {languages[0]} text with {languages[1]} references, found none")
    return pairs, dataset.digest


def training_pairs(config: TrainingConfig, languages: tuple[str, str]) -> Sequence[Pair]:
    """Return the pairs that a training learns from: its data, or a bootstrap sample of them (``bag``)."""
    return resample_items(read_pairs(config.data, languages, config.limit)[0], config.seed, config.bag)


def pairs_of(utterances: Iterable[Utterance]) -> list[Pair]:
    """Pair each source (its text, else the transcript of its audio) with each of its references."""
    pairs = []
    for utterance in utterances:
        text = utterance.text if utterance.text is not None else utterance.transcript
        pairs += [(text, reference) for reference in utterance.references if text and reference]
    return pairs


def warn_of_known_pairs(dev: Sequence[Pair], training: Iterable[Pair]) -> None:
    """Say so where over a tenth of the development pairs are learned: they prefer what is known by heart."""
    pairs = set(dev)
    known = len(pairs.intersection(training))
    if 10 * known > len(pairs):
        _log.warning(
            "dev: %d of %d pairs are training data, too: such pairs do not tell which checkpoint is best",
            *(known, len(pairs)),
        )


def encode_pairs(
    pairs: Sequence[Pair], spm: bytes, max_length: int, language: str | None = None
) -> list[Example]:
    """Turn pairs into ids that end with the end-of-sentence id.

    Args:
        pairs: the sentence pairs.
        spm: the serialized sentencepiece model.
        max_length: longer pairs (in pieces, either side) are left out.
        language: target language, whose tag stands before each source where the vocabulary has it.

    Raises:
        DataError: where no pair is left.
    """
    pieces = load(spm)
    sources, targets = (pieces.encode([pair[side] for pair in pairs]) for side in (0, 1))
    first = () if language is None or not has_tag(pieces, language) else (pieces.piece_to_id(tag(language)),)
    examples = [Example((*first, *a, EOS), (*b, EOS)) for a, b in zip(sources, targets, strict=True)]
    short_examples = [example for example in examples if example.length <= max_length]
    if not short_examples:
        raise DataError(
            f"expected pairs of at most max_length {max_length} pieces, found {len(pairs)} longer"
        )
    if left_out := len(pairs) - len(short_examples):
        _log.warning(
            "%d of %d pairs are left out: more than max_length %d pieces", left_out, len(pairs), max_length
        )
    return short_examples
