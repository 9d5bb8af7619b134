"""Parts of a batch, computed by one process or by two: the same bits, and the gradient of the whole batch.

This file is also the program of the second process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import ConfigError, ModelError
from components.training import batches
from components.training.config import TrainingConfig
from components.training.cross_entropy import label_smoothing_loss
from components.training.data_parallel import part_seed, split_rows
from components.training.marian_model import build_marian
from components.training.processes import ALONE, ProcessLostError, joined_processes
from components.training.trainer import train
from components.training.training_order import TrainingOrder, receive_order, send_order

PIECES = 20


class ToyLearner:
    """A tiny Marian on random pairs: exported as its weights alone."""

    score_name = "steps"

    def __init__(self, config: TrainingConfig, out: Path, device: torch.device) -> None:
        self.model = build_marian(config, PIECES)
        draw = torch.Generator().manual_seed(len(config.data))
        sizes = torch.randint(2, 12, (40,), generator=draw).tolist()
        ids = [tuple(torch.randint(1, PIECES - 1, (n,), generator=draw).tolist()) for n in sizes]
        self.examples = [batches.Example(pair, pair[::-1]) for pair in ids]
        self.lengths = sizes

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        batch = batches.collate([self.examples[i] for i in rows], PIECES - 1)
        return label_smoothing_loss(self.model, batch, 0.1)

    def dev_loss(self) -> float:
        return 0.0

    def dev_score(self) -> float:
        torch.rand(())  # draws, as decoding may, and in the main process alone
        return 0.0

    def export(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        named = {name: w.detach() for name, w in self.model.named_parameters() if w.requires_grad}
        save_file(named, folder / "model.safetensors")


def settings(**changes: object) -> TrainingConfig:
    shape = {"num_layers": 1, "d_model": 16, "ffn_dim": 16, "num_heads": 2}
    budget = {
        "max_steps": 12,
        "eval_every": 4,
        "average_checkpoints": 1,
        "batch_tokens": 40,
        "max_minutes": 60.0,
    }
    return TrainingConfig.model_validate(
        {**shape, **budget, "device": "cpu", "dtype": "float32", "warmup_steps": 2, **changes}
    )


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def assert_same(one: Path, other: Path) -> None:
    tensors, others = weights(one), weights(other)
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def run_process(rank: int, folder: Path) -> None:
    """Train in a process of two, stop in the middle, go on, and then lose the other one."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    parts = settings(data_parallel_size=2)
    send_order("train", parts, None, folder / "two") if rank == 0 else check_order(receive_order(), parts)
    train(parts.model_copy(update={"max_steps": 6}), folder / "two", make_learner=ToyLearner)
    train(parts, folder / "two", make_learner=ToyLearner)
    with pytest.raises(
        ConfigError, match="data_parallel_size: expected 2, as there are 2 processes, found 3"
    ):
        train(parts.model_copy(update={"data_parallel_size": 3}), folder / "three", make_learner=ToyLearner)
    meet_again(rank, folder / "again")
    error, expected = (
        (KeyboardInterrupt, None)
        if rank == 0
        else (ProcessLostError, "process 1 of 2 .* one has ended .* run again")
    )
    with pytest.raises(error, match=expected):
        train(parts, folder / "left", report=interrupt, make_learner=ToyLearner)
    meet_again(rank, folder / "third")
    error, expected = (
        (ProcessLostError, None) if rank == 0 else (ModelError, "expected the weights and data of process 0")
    )
    with pytest.raises(error, match=expected):
        train(settings(data_parallel_size=2, seed=rank), folder / "other", make_learner=ToyLearner)
    assert joined_processes() == ALONE


def meet_again(rank: int, file: Path) -> None:
    """Make a group anew: a training that fails leaves its own."""
    assert joined_processes() == ALONE
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)


def interrupt(_: dict[str, float]) -> None:
    raise KeyboardInterrupt


def check_order(order: TrainingOrder, expected: TrainingConfig) -> None:
    assert order.kind == "train"
    assert TrainingConfig.model_validate(order.settings) == expected


def test_two_processes_are_one(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__)), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
        run_process(0, tmp_path)
        _, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    one = train(settings(data_parallel_size=2), tmp_path / "one", make_learner=ToyLearner)
    assert one.epoch > 0  # the second process goes over the end of an epoch, too
    assert_same(tmp_path / "one", tmp_path / "two")


def test_parts_have_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    whole = train(settings(dropout=0.0), tmp_path / "whole", make_learner=ToyLearner)
    parts = train(settings(dropout=0.0, data_parallel_size=3), tmp_path / "parts", make_learner=ToyLearner)
    assert parts.tokens == whole.tokens
    for row, other in zip(parts.history, whole.history, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)
    others = weights(tmp_path / "parts")
    for name, tensor in weights(tmp_path / "whole").items():
        torch.testing.assert_close(others[name], tensor, atol=1e-5, rtol=0)


def test_parts_that_are_resumed_draw_the_same(tmp_path: Path) -> None:
    config = settings(data_parallel_size=2)
    train(config, tmp_path / "whole", make_learner=ToyLearner)
    train(config.model_copy(update={"max_steps": 8}), tmp_path / "cut", make_learner=ToyLearner)
    torch.manual_seed(12345)
    train(config, tmp_path / "cut", make_learner=ToyLearner)
    assert_same(tmp_path / "whole", tmp_path / "cut")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 8))
def test_parts_are_a_partition_of_about_equal_tokens(lengths: list[int], parts: int) -> None:
    rows = list(range(len(lengths)))[::-1]
    cut = split_rows(rows, lengths, parts)
    assert len(cut) == parts
    assert [row for part in cut for row in part] == rows
    share = sum(lengths) / parts
    assert all(sum(lengths[row] for row in part) <= share + max(lengths) for part in cut)


def test_every_part_of_every_step_has_a_seed_of_its_own() -> None:
    seeds = [part_seed(seed, step, part) for seed in range(3) for step in range(20) for part in range(8)]
    assert len(set(seeds)) == len(seeds)


if __name__ == "__main__":
    run_process(1, Path(sys.argv[1]))
