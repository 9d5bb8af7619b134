"""One source language to several target languages: tagged pairs, one joint vocabulary.

A source starts with the tag of the language that is wanted (``>>de<<``), a piece of its own behind the
sentencepiece pieces, as in the published multilingual Marian models (Johnson et al., 2017).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import MarianTokenizer

from components.errors import ConfigError, DataError
from components.training import pairs, vocabulary
from components.training.batches import Example
from components.training.pairs import Pair

MANY = "mul"
"""What the tokenizer's configuration says of the target language."""


class Corpus(NamedTuple):
    """Pairs by target language, and the digest of each language's data."""

    pairs: dict[str, list[Pair]]
    digests: dict[str, str]


def tag(language: str) -> str:
    """The piece that asks for a language."""
    return f">>{language}<<"


def read(source: str, source_language: str, targets: Sequence[str], limit: int | None = None) -> Corpus:
    """The pairs of a data set for every target language.

    Raises ConfigError where a language is named twice or not at all, DataError where one has no text.
    """
    if not targets or len(set(targets)) < len(targets):
        raise ConfigError(f"target_language: expected different languages such as de,fr,cs, found {targets}")
    found = {target: pairs.read(source, (source_language, target), limit) for target in targets}
    return Corpus({t: f[0] for t, f in found.items()}, {t: f[1] for t, f in found.items()})


def learn(corpus: Corpus, size: int) -> bytes:
    """A joint sentencepiece vocabulary over the sources (once) and all targets; tags come on top of it."""
    sources: Iterable[str] = dict.fromkeys(s for rows in corpus.pairs.values() for s, _ in rows)
    targets = (target for rows in corpus.pairs.values() for _, target in rows)
    return vocabulary.train(itertools.chain(sources, targets), size - len(corpus.pairs))


def save(spm: bytes, folder: Path, source_language: str, targets: Sequence[str]) -> MarianTokenizer:
    """The tokenizer's folder, with a piece for each tag before the padding piece."""
    return vocabulary.save(spm, folder, source_language, MANY, extra=[tag(t) for t in targets])


def encode(
    corpus: Corpus, spm: bytes, tokenizer: MarianTokenizer, max_length: int
) -> tuple[list[Example], list[str]]:
    """Examples with their tags, language after language, and the language of each example.

    Raises DataError where no pair of a language is short enough.
    """
    examples: list[Example] = []
    languages: list[str] = []
    for language, rows in corpus.pairs.items():
        try:
            plain = pairs.encode(rows, spm, max_length - 1)
        except DataError as error:
            raise DataError(f"{language}: {error}") from None
        mark = int(tokenizer.convert_tokens_to_ids(tag(language)))
        examples += [Example((mark, *example.source), example.target) for example in plain]
        languages += [language] * len(plain)
    return examples, languages
