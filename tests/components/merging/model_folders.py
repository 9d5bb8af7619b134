"""Tiny model folders: any tensors, or a real tiny model with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import parse_recipe

CONFIG = {"architectures": ["ToyModel"], "model_type": "toy", "tie_word_embeddings": False}


def folder(path: Path, tensors: dict[str, Tensor], **config: object) -> Path:
    """A model folder with these tensors."""
    path.mkdir(parents=True)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}))
    return path


def flat(path: Path, *values: float, dtype: torch.dtype = torch.float32) -> Path:
    """A model of one vector named ``w``."""
    return folder(path, {"w": torch.tensor(values, dtype=dtype)})


def merged(text: str, out: Path, seed: int = 0) -> dict[str, Tensor]:
    """What a recipe makes, loaded."""
    merge(parse_recipe(text), out, MergeOptions(seed=seed))
    return load_file(out / "model.safetensors")


def recipe(method: str, base: Path | None, *models: tuple[Path, str], parameters: str = "{}") -> str:
    """A recipe of whole models, each with its parameters in YAML's flow style."""
    lines = [f"merge_method: {method}", f"parameters: {parameters}", "models:"]
    lines += [f"  - {{model: {path}, parameters: {values}}}" for path, values in models]
    return "\n".join([*lines, *([f"base_model: {base}"] if base else [])])
