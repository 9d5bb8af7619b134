"""Parallel text as (source, target) pairs, and pairs as ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.errors import DataError
from components.training.batches import Example
from components.training.vocabulary import EOS, load

Pair = tuple[str, str]


def read(source: str, limit: int | None = None) -> list[Pair]:
    """Pairs of ``FILE.en,FILE.de``, line by line."""
    names = source.split(",")
    if len(names) != 2:
        raise DataError(f"expected FILE.en,FILE.de, found {source!r}")
    left, right = (Path(name).read_text(encoding="utf-8").split("\n") for name in names)
    if len(left) != len(right):
        raise DataError(
            f"expected as many lines in both files of {source!r}, found {len(left)}, {len(right)}"
        )
    return [(a.strip(), b.strip()) for a, b in zip(left, right, strict=True) if a.strip() and b.strip()][
        :limit
    ]


def encode(pairs: Sequence[Pair], spm: bytes, max_length: int) -> list[Example]:
    """Pairs as ids with the end-of-sentence id; pairs longer than ``max_length`` pieces are left out."""
    pieces = load(spm)
    sources, targets = (pieces.encode([pair[side] for pair in pairs]) for side in (0, 1))
    examples = [Example((*a, EOS), (*b, EOS)) for a, b in zip(sources, targets, strict=True)]
    return [example for example in examples if example.length <= max_length]
