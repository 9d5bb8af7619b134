"""Checkpoints of another model, and what the system says while tensors are written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from components.errors import StoreError
from components.training.loop import checkpoint


class Model(nn.Linear):
    device = torch.device("cpu")


def test_moments_of_a_parameter_that_the_model_lacks(tmp_path: Path) -> None:
    model = Model(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = checkpoint.TrainingState(step=3, best_step=3, history=[{"step": 3, "best_step": 3}])
    path = checkpoint.save(tmp_path, model, optimizer, state, keep=1)
    assert checkpoint.restore(path, model, optimizer) == state
    moments = load_file(path / "optimiser.safetensors")
    save_file({**moments, "other.exp_avg": torch.ones(2)}, path / "optimiser.safetensors")
    with pytest.raises(StoreError, match=r"state of unknown parameter other\.exp_avg; start afresh"):
        checkpoint.restore(path, model, optimizer)


def test_errors_of_the_system_keep_their_number() -> None:
    with pytest.raises(OSError, match="No space") as caught, checkpoint.safetensors_errors_as_os_errors():
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(SafetensorError, match="header"), checkpoint.safetensors_errors_as_os_errors():
        raise SafetensorError("Error while deserializing header: header too large")


def test_safetensors_reports_the_number_of_an_error(tmp_path: Path) -> None:
    """What it says of a folder that does not exist has the form that is looked for."""
    with pytest.raises(FileNotFoundError), checkpoint.safetensors_errors_as_os_errors():
        save_file({"w": torch.ones(1)}, tmp_path / "missing" / "w.safetensors")
