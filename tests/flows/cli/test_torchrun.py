"""Under torchrun process 0 is the run, and the others train what they are ordered to."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.nodes.train import TrainSettings
from components.training import processes, trainer, training_order
from components.training.processes import Processes, ProcessLostError
from components.training.training_order import TrainingOrder
from components.training.translation_learner import TranslationLearner
from flows.cli.torchrun import is_one_of_several, lead_or_follow


@pytest.fixture
def rank(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One element: which process this is. A second one notes that it has left."""
    ranks = [0]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(processes, "join_processes", lambda: Processes(ranks[0], 2))
    monkeypatch.setattr(processes, "leave_processes", lambda: ranks.append(-1))
    return ranks


def test_one_process_is_as_without_torchrun(rank: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_one_of_several()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not is_one_of_several()


def test_the_first_process_runs_and_leaves(rank: list[int]) -> None:
    def run() -> int:
        assert not is_one_of_several()  # nor is a command that it starts
        assert "TORCHELASTIC_RUN_ID" not in os.environ
        raise ConfigError("wrong")

    with pytest.raises(ConfigError, match="wrong"):
        lead_or_follow(run)
    assert rank == [0, -1]


def test_another_process_trains_until_the_first_leaves(
    rank: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = TrainSettings(num_microbatches=2, seed=7)
    orders = [TrainingOrder("train", settings.model_dump(mode="json"), "store", str(tmp_path))]
    trained: list[Any] = []

    def receive() -> TrainingOrder:
        if not orders:
            raise ProcessLostError("left")
        return orders.pop()

    def train(config: TrainSettings, out: Path, make_learner: Any) -> None:
        assert isinstance(make_learner, partial)
        trained.append((config, out, make_learner.func, make_learner.keywords))

    monkeypatch.setattr(training_order, "receive_order", receive)
    monkeypatch.setattr(trainer, "train", train)
    ignored: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda number, action: ignored.append((number, action)))
    rank[0] = 1
    assert lead_or_follow(lambda: pytest.fail("this is the run of process 0")) == 0
    assert trained == [(settings, tmp_path, TranslationLearner, {"store": "store"})]
    assert ignored == [(signal.SIGINT, signal.SIG_IGN)]
    assert rank == [1, -1]
