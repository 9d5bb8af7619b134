"""Trainings of a moment: a tiny Marian, and texts of a dozen words that it can learn to copy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

WORDS = ["ein", "rot", "blau", "hund", "katze", "baum", "haus", "läuft", "sieht", "über", "unter", "zwei"]
TINY = {
    **{"vocab_size": 64, "num_layers": 1, "d_model": 16, "ffn_dim": 16, "num_heads": 2},
    **{"batch_tokens": 200, "device": "cpu", "dtype": "float32"},
}
"""Settings of a training."""


def write_copies(
    folder: Path, lines: list[str], name: str = "toy", languages: Sequence[str] = ("en", "de")
) -> str:
    """Write lines as English and German alike; the parallel text as settings name it."""
    for language in languages:
        (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{folder}/{name}.en,{folder}/{name}.de"


def write_few(folder: Path, lines: list[str]) -> str:
    """Write the first lines as a development set: the texts of an untrained model are as long as may be."""
    return write_copies(folder, lines[:4], "dev")


def draw_lines(count: int, length: int = 5, words: Sequence[str] = WORDS) -> list[str]:
    """Draw lines of ``length`` words each."""
    draw = random.Random(0)
    return [" ".join(draw.choices(words, k=length)) for _ in range(count)]
