"""A trained model as a small folder to ship: float16 weights, tokenizer and configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import MarianMTModel, MarianTokenizer

from components.errors import ModelError


def load(folder: Path) -> tuple[Any, Any]:
    """Model (float32, eval) and tokenizer of a folder.

    Raises ModelError where a tensor is missing, left over or of another shape.
    """
    loaded: Any = MarianMTModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    model, info = loaded
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise ModelError(f"{folder}: {kind.replace('_', ' ')}: {sorted(map(str, info[kind]))[0]}")
    return model.eval(), MarianTokenizer.from_pretrained(folder)


def package(source: Path, out: Path) -> int:
    """Write the model of ``source`` to ``out`` with float16 weights; return the folder's size in bytes."""
    model, tokenizer = load(source)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    return sum(file.stat().st_size for file in out.iterdir())
