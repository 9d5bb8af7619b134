"""Domains of text beside captions: technical manuals and dialogue, in parts that share no sentence."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from benchmarks.claims.texts import Pair, tatoeba_pairs, write_pairs
from benchmarks.claims.workspace import Workspace
from benchmarks.common.paths import data_set
from components.records import Utterance

SIZES = {"dev": 200, "test": 400}
MOST_WORDS = 30
"""Of either side: longer paragraphs are left out."""


@dataclass(frozen=True)
class Domain:
    """A domain's pairs: for training, to choose on, to judge on."""

    name: str
    train: tuple[Pair, ...]
    dev: tuple[Pair, ...]
    test: tuple[Pair, ...]

    def write(self, work: Workspace, part: str, limit: int | None = None) -> str:
        """A part as files; the data reference."""
        pairs = list(getattr(self, part))[:limit]
        return write_pairs(work.folder / "data", f"{self.name}-{part}-{len(pairs)}", pairs)

    def utterances(self, work: Workspace, part: str) -> list[Utterance]:
        """A part with references."""
        return work.utterances(self.write(work, part))


@cache
def manuals() -> Domain:
    """Technical text: Debian's references and LibreOffice's help."""
    return _divide("manuals", _read("manuals"))


@cache
def dialogue() -> Domain:
    """Dialogue: subtitles of Fish Fillets and sentences of Tatoeba."""
    return _divide("dialogue", [*_read("fillets"), *tatoeba_pairs()])


def _read(name: str) -> list[Pair]:
    columns = [
        (data_set(name) / f"en-de.{language}").read_text(encoding="utf-8").splitlines()
        for language in ("en", "de")
    ]
    return list(zip(*columns, strict=True))


def _divide(name: str, pairs: list[Pair]) -> Domain:
    """Shuffled once; of an English sentence that stands several times one stays, in one part."""
    first = {a: (a, b) for a, b in reversed(pairs) if max(len(a.split()), len(b.split())) <= MOST_WORDS}
    kept = [first[key] for key in sorted(first)]
    random.Random(20).shuffle(kept)
    dev, test = SIZES["dev"], SIZES["test"]
    return Domain(name, tuple(kept[dev + test :]), tuple(kept[:dev]), tuple(kept[dev : dev + test]))
