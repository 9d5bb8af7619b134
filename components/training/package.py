"""A trained model as a small folder to ship: float16 weights, tokenizer and configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.models.checkpoints import checkpoint_of
from components.models.loading import load_transformers


def load(folder: Path) -> tuple[Any, Any]:
    """Model (float32, eval) and tokenizer of a folder, every tensor accounted for (else ModelError)."""
    return load_transformers(checkpoint_of(folder, str(folder)), "seq2seq")


def package(source: Path, out: Path) -> int:
    """Write the model of ``source`` to ``out`` with float16 weights; return the folder's size in bytes."""
    model, tokenizer = load(source)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    return sum(file.stat().st_size for file in out.iterdir())
