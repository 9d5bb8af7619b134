"""Data of one source and several target languages: pairs by language, a joint vocabulary with their tags."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.errors import ConfigError, DataError
from components.training.examples import parallel_data, vocabulary
from components.training.examples.batches import Example
from components.training.examples.parallel_data import Pair
from components.training.examples.vocabulary import tag


class MultilingualCorpus(NamedTuple):
    """Sentence pairs by target language, and the digest of each language's data."""

    pairs: dict[str, list[Pair]]
    digests: dict[str, str]


def read(
    source: str, source_language: str, targets: Sequence[str], limit: int | None = None
) -> MultilingualCorpus:
    """Read the pairs of a data set for every target language.

    Raises:
        ConfigError: where a language is named twice or none is.
        DataError: where a language has no text.
    """
    require_targets(targets)
    sets = {target: parallel_data.read_pairs(source, (source_language, target), limit) for target in targets}
    texts = {target: text for target, (text, _) in sets.items()}
    return MultilingualCorpus(texts, {target: digest for target, (_, digest) in sets.items()})


def require_targets(targets: Sequence[str]) -> None:
    """Refuse a list of languages in which one is named twice or none is: ConfigError."""
    if not targets or len(set(targets)) < len(targets):
        raise ConfigError(
            f"target_language: expected different languages such as de,fr,cs, found {','.join(targets)!r}"
        )


def learn_vocabulary(corpus: MultilingualCorpus, size: int) -> bytes:
    """Learn joint sentencepiece pieces of the sources (each once) and all targets, with a tag per target."""
    sources = dict.fromkeys(source for rows in corpus.pairs.values() for source, _ in rows)
    targets = (target for rows in corpus.pairs.values() for _, target in rows)
    return vocabulary.train(itertools.chain(sources, targets), size, [tag(t) for t in corpus.pairs])


def check_tags(spm: bytes, targets: Sequence[str]) -> None:
    """Refuse a vocabulary that cannot tell several target languages apart: ConfigError."""
    pieces = vocabulary.load(spm)
    missing = [t for t in targets if not vocabulary.has_tag(pieces, t)]
    if missing and len(targets) > 1:
        raise ConfigError(
            f"target_language: expected a vocabulary with the piece {tag(missing[0])}, found none; start "
            "from a model that was trained on these languages, or name one language"
        )


def encode(corpus: Mapping[str, Sequence[Pair]], spm: bytes, max_length: int) -> list[Example]:
    """Encode the pairs with their tags, language after language.

    Raises:
        DataError: where a language has no pair that is short enough.
    """
    examples: list[Example] = []
    for language, rows in corpus.items():
        try:
            examples += parallel_data.encode_pairs(rows, spm, max_length, language)
        except DataError as error:
            raise DataError(f"{language}: {error}") from None
    return examples
