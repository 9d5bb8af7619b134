"""Small translators of captions, for effects that show in minutes: 2 + 2 layers, 1,000 updates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims.texts import write_pairs
from benchmarks.claims.workspace import DEV, PACKAGED, Workspace
from components.records import Utterance

SHAPE: dict[str, Any] = {
    "num_layers": 2,
    "batch_tokens": 1000,
    "max_steps": 1000,
    "eval_every": 100,
    "eval_sentences": 16,
    "average_checkpoints": 1,
    "keep_checkpoints": 1,
}
WATCHED = 64
"""Sentences of val that a training looks at; those after them are free for choices."""


def settings(work: Workspace, **changed: Any) -> dict[str, Any]:
    """Settings of a training; without a ``vocab_size`` the vocabulary is the packaged model's."""
    pairs = [(u.text or "", u.references[0]) for u in work.utterances(DEV, limit=WATCHED)]
    dev = write_pairs(work.folder / "data", f"val-{WATCHED}", pairs)
    own = {} if "vocab_size" in changed else {"tokenizer": PACKAGED}
    return {**SHAPE, **own, "dev": dev, **changed}


def choosing_set(work: Workspace, count: int = 200) -> list[Utterance]:
    """Sentences of val that no training has looked at."""
    return work.utterances(DEV, limit=WATCHED + count)[WATCHED:]


def train_small(work: Workspace, seeds: Sequence[int]) -> dict[int, Path]:
    """The models of ``seeds``."""
    return {seed: work.train(f"small-{seed}", seed=seed, **settings(work)) for seed in seeds}
