"""Under torchrun process 0 is the run, and the others train what they are ordered to."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.training.examples.training_order import TrainingOrder
from components.training.kinds.train import TrainSettings
from components.training.learners.translation_learner import TranslationLearner
from components.training.parallel import following
from components.training.parallel.processes import Processes, ProcessLostError
from flows.cli.compute.launchers import is_one_of_several
from flows.cli.compute.torchrun import EXIT_CODE_FILE, hand_over, lead_or_follow, run_over_processes
from tests.command import exit_code_of


@pytest.fixture
def rank(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One element: which process this is. A second one notes that it has left."""
    ranks = [0]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(following, "join", lambda: Processes(ranks[0], 2))
    monkeypatch.setattr(following, "leave", lambda: ranks.append(-1))
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


def test_the_exit_code_is_that_of_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: list[int]
) -> None:
    """torchrun is played by a program that is called as it is, and ends as it does after a crash."""
    monkeypatch.setenv("WORLD_SIZE", "1")
    begun: list[list[str]] = []

    class Torchrun:
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            begun.append(command)
            monkeypatch.setenv(EXIT_CODE_FILE, env[EXIT_CODE_FILE])

        def wait(self) -> int:
            if "crash" in begun[-1]:
                return 1
            for number, code in (("0", 3), ("1", 0)):
                monkeypatch.setenv("RANK", number)
                assert hand_over(code) == 0  # torchrun reports a crash of neither
            return 0

    monkeypatch.setattr(subprocess, "Popen", Torchrun)
    arguments = ["run", "train", "--processes", "2"]
    monkeypatch.setattr("sys.argv", ["antiphon", *arguments])
    assert exit_code_of(*arguments) == 3
    assert begun[0][-len(arguments) :] == arguments
    assert begun[0][begun[0].index("--nproc-per-node") + 1] == "2"
    assert run_over_processes(2, ["crash"]) == 1
    monkeypatch.delenv(EXIT_CODE_FILE)
    monkeypatch.setenv("RANK", "0")
    assert hand_over(3) == 3


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

    monkeypatch.setattr(following, "receive_order", receive)
    monkeypatch.setattr(following, "train", train)
    ignored: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda number, action: ignored.append((number, action)))
    rank[0] = 1
    assert lead_or_follow(lambda: pytest.fail("this is the run of process 0")) == 0
    assert trained == [(settings, tmp_path, TranslationLearner, {"store": "store"})]
    assert ignored == [(signal.SIGINT, signal.SIG_IGN)]
    assert rank == [1, -1]
