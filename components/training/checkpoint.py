"""Checkpoints of a run in progress: everything that an exact resume needs, written all or nothing.

``checkpoints/step-N/``: ``model.safetensors``, ``optimiser.safetensors`` (both moments of AdamW and the
states of the random number generators) and ``state.json`` (counters).
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import StoreError


@dataclasses.dataclass
class State:
    """Counters of a run: what has been done, what was best, and the metrics of every evaluation."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    worse: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)


def save(folder: Path, model: Any, optimiser: torch.optim.Optimizer, state: State, keep: int) -> Path:
    """Write ``folder/step-N`` (temporary, synced, renamed) and drop all but the last ``keep``."""
    final = folder / f"step-{state.step:08d}"
    temporary = folder / f".writing-{state.step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(weights(model), temporary / "model.safetensors")
    moments = {
        f"{name}.{key}": value.clone()
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }
    moments["rng.cpu"] = torch.get_rng_state()
    if model.device.type == "cuda":
        moments["rng.cuda"] = torch.cuda.get_rng_state(model.device)
    save_file(moments, temporary / "optimiser.safetensors")
    (temporary / "state.json").write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
    for file in temporary.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in steps(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def steps(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(folder.glob("step-*"))


def restore(path: Path, model: Any, optimiser: torch.optim.Optimizer) -> State:
    """Put weights, moments and random number generators back as they were; return the counters."""
    load_weights(model, load_file(path / "model.safetensors"))
    moments = load_file(path / "optimiser.safetensors")
    torch.set_rng_state(moments.pop("rng.cpu"))
    cuda = moments.pop("rng.cuda", None)
    if cuda is not None and model.device.type == "cuda":
        torch.cuda.set_rng_state(cuda, model.device)
    for name, parameter in model.named_parameters():
        entries = {key: moments.pop(f"{name}.{key}", None) for key in ("step", "exp_avg", "exp_avg_sq")}
        if entries["step"] is not None:
            device = parameter.device
            optimiser.state[parameter] = {k: v.to(device) for k, v in entries.items() if v is not None}
    if moments:
        raise StoreError(f"{path}: optimiser state of unknown parameter {next(iter(moments))}; start afresh")
    return State(**json.loads((path / "state.json").read_text(encoding="utf-8")))


def write(folder: Path, model: Any) -> None:
    """The weights alone, as ``folder/model.safetensors``, all or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights(model), folder / ".writing")
    (folder / ".writing").rename(folder / "model.safetensors")


def weights(model: Any) -> dict[str, Tensor]:
    """Trained parameters by name, tied ones once; frozen ones are not kept."""
    return {name: p.detach().contiguous() for name, p in model.named_parameters() if p.requires_grad}


def load_weights(model: Any, tensors: dict[str, Tensor]) -> None:
    """Set every trained parameter. Raises StoreError unless names and shapes are the same."""
    mine = weights(model)
    if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in tensors.items()}:
        odd = sorted(set(mine) ^ set(tensors)) or sorted(k for k in mine if mine[k].shape != tensors[k].shape)
        raise StoreError(f"expected a checkpoint of this model, found another tensor {odd[0]}; start afresh")
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(tensors[name])


def average(paths: list[Path]) -> dict[str, Tensor]:
    """Mean of the weights of several checkpoints, in float64, as float32."""
    total: dict[str, Tensor] = {}
    for path in paths:
        for name, tensor in load_file(path / "model.safetensors").items():
            total[name] = total.get(name, torch.zeros_like(tensor, dtype=torch.float64)) + tensor.double()
    return {name: (tensor / len(paths)).float() for name, tensor in total.items()}
