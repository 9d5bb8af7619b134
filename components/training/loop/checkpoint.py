"""Checkpoints of a training in progress: everything that an exact resume needs, written all or nothing.

``checkpoints/step-N/``: ``model.safetensors``, ``optimiser.safetensors`` (both moments of AdamW and the
states of the random number generators), ``state.json`` (counters) and ``manifest.json`` (the sha256 of each).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import StoreError
from components.files.files import rename_durably
from components.models.packages.install_manifest import is_intact, write_manifest

MANIFEST = "manifest.json"
_log = logging.getLogger("antiphon.training")


@dataclasses.dataclass
class TrainingState:
    """Counters of a training: steps taken, the best evaluation, and the metrics of every evaluation."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    tokens: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    evals_without_improvement: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def last_steps(self, count: int) -> list[int]:
        """Return the steps of the last ``count`` evaluations."""
        return [int(row["step"]) for row in self.history[-count:]]


def save(folder: Path, model: Any, optimizer: torch.optim.Optimizer, state: TrainingState, keep: int) -> Path:
    """Write ``folder/step-N``: into a temporary folder, synced, then renamed.

    The last ``keep`` checkpoints stay, and the best one as each of these knew it, so that a training can go
    on from any of them; others are removed.

    Returns:
        The checkpoint's folder.
    """
    final = checkpoint_folder(folder, state.step)
    temporary = folder / f".writing-{state.step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(list_trained_parameters(model), temporary / "model.safetensors")
    moments = {
        f"{name}.{key}": value.clone()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    moments["rng.cpu"] = torch.get_rng_state()
    if model.device.type == "cuda":
        moments["rng.cuda"] = torch.cuda.get_rng_state(model.device)
    save_file(moments, temporary / "optimiser.safetensors")
    (temporary / "state.json").write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
    write_manifest(temporary, MANIFEST)
    shutil.rmtree(final, ignore_errors=True)
    rename_durably(temporary, final)
    kept_folders = {
        checkpoint_folder(folder, int(row[name]))
        for row in state.history[-keep:]
        for name in ("step", "best_step")
    }
    for old in set(list_checkpoints(folder)) - kept_folders:
        shutil.rmtree(old)
    return final


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return the folder of the checkpoint of a step."""
    return folder / f"step-{step:08d}"


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints' folders, oldest first, damaged ones among them."""
    return sorted(folder.glob("step-*"))


def find_latest(folder: Path) -> Path | None:
    """Return the newest checkpoint whose files agree with its manifest; remove damaged newer ones."""
    for path in reversed(list_checkpoints(folder)):
        if is_intact(path, MANIFEST, reread=True):
            return path
        _log.warning("checkpoint %s is damaged: training goes on from the one before it", path)
        shutil.rmtree(path)
    return None


def find_first_damaged(folder: Path, needed: Iterable[int]) -> int | None:
    """Return the first of the ``needed`` steps whose checkpoint is missing or damaged, or None."""
    return next(
        (
            step
            for step in sorted(needed)
            if not is_intact(checkpoint_folder(folder, step), MANIFEST, reread=True)
        ),
        None,
    )


def rewind(folder: Path, step: int) -> None:
    """Remove the checkpoint of ``step``, which is damaged or missing, and all that came after it."""
    _log.warning(
        "checkpoint %s is damaged or missing: training goes on from the one before it",
        checkpoint_folder(folder, step),
    )
    for path in list_checkpoints(folder):
        if path >= checkpoint_folder(folder, step):
            shutil.rmtree(path)


def restore(path: Path, model: Any, optimizer: torch.optim.Optimizer) -> TrainingState:
    """Restore weights, moments and random number generators; return the counters.

    Raises:
        StoreError: where the checkpoint is of another model.
    """
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
            optimizer.state[parameter] = {k: v.to(device) for k, v in entries.items() if v is not None}
    if moments:
        raise StoreError(f"{path}: optimizer state of unknown parameter {next(iter(moments))}; start afresh")
    counters = json.loads((path / "state.json").read_text(encoding="utf-8"))
    return TrainingState(**counters)


@contextmanager
def safetensors_errors_as_os_errors() -> Iterator[None]:
    """Turn what safetensors reports of the system (a full disk, say) into an OSError with its number."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def list_trained_parameters(model: Any) -> dict[str, Tensor]:
    """Return the trained parameters by name, tied ones once; frozen ones are left out."""
    return {name: p.detach().contiguous() for name, p in model.named_parameters() if p.requires_grad}


def load_weights(model: Any, tensors: dict[str, Tensor]) -> None:
    """Set every trained parameter.

    Raises:
        StoreError: unless names and shapes are the same.
    """
    parameters = list_trained_parameters(model)
    if {k: v.shape for k, v in parameters.items()} != {k: v.shape for k, v in tensors.items()}:
        odd = sorted(set(parameters) ^ set(tensors)) or sorted(
            k for k in parameters if parameters[k].shape != tensors[k].shape
        )
        raise StoreError(f"expected a checkpoint of this model, found another tensor {odd[0]}; start afresh")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def average_weights(paths: list[Path]) -> dict[str, Tensor]:
    """Average the weights of several checkpoints in float64; the mean is float32."""
    total: dict[str, Tensor] = {}
    for path in paths:
        for name, tensor in load_file(path / "model.safetensors").items():
            total[name] = total.get(name, torch.zeros_like(tensor, dtype=torch.float64)) + tensor.double()
    return {name: (tensor / len(paths)).float() for name, tensor in total.items()}
