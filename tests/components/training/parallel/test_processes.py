"""Several processes train as one does, and none is left waiting.

This file is also a program: it forks the processes, so that torch is imported once.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from components.errors import ConfigError, ModelError
from components.training import checks
from components.training.examples.training_order import TrainingOrder, receive_order, send_order
from components.training.loop.trainer import train
from components.training.parallel import processes
from components.training.parallel.processes import ALONE, Processes, ProcessLostError, joined_processes
from tests.components.training.toy_learner import ToyLearner, exported_weights, toy_settings

MICROBATCHES = toy_settings(num_microbatches=3, max_minutes=60.0)
Part = Callable[[int, Path], None]


def train_a_while(rank: int, folder: Path) -> None:
    """Two processes begin; the first of them gives the order."""
    if rank == 0:
        send_order("train", MICROBATCHES, None, folder / "out")
    else:
        order = receive_order()
        assert order == TrainingOrder("train", MICROBATCHES.model_dump(mode="json"), None, f"{folder}/out")
    state = train(MICROBATCHES.model_copy(update={"max_steps": 4}), folder / "out", make_learner=ToyLearner)
    assert state.step == 4


def train_to_the_end(rank: int, folder: Path) -> None:
    """Three processes go on, over the end of the first epoch."""
    state = train(MICROBATCHES, folder / "out", make_learner=ToyLearner)
    assert (state.step, len(state.history)) == (8, 4)
    assert state.epoch > 0


def stop_early(rank: int, folder: Path) -> None:
    """All stop when the score does not rise."""
    config = MICROBATCHES.model_copy(update={"eval_every": 1, "patience": 2})
    assert train(config, folder / "early", make_learner=ToyLearner).step == 3


def refuse_a_third(rank: int, folder: Path) -> None:
    """Three processes have nothing to do with two microbatches."""
    config = MICROBATCHES.model_copy(update={"num_microbatches": 2})
    with pytest.raises(ConfigError, match=r"num_microbatches: expected at least 3, .* found 2; set"):
        train(config, folder / "refused", make_learner=ToyLearner)


def interrupt_the_main_one(rank: int, folder: Path) -> None:
    """Ctrl-C reaches process 0 while the other waits for it."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt if rank == 0 else ProcessLostError):
        train(MICROBATCHES, folder / "interrupted", report=interrupt, make_learner=ToyLearner)
    assert joined_processes() == ALONE


class FailingLearner(ToyLearner):
    """Fails in the third step of one process."""

    steps = 0

    def loss(self, rows: object) -> tuple[torch.Tensor, int]:
        self.steps += 1
        if joined_processes().rank == 1 and self.steps == 3:
            raise ModelError("out of luck")
        return super().loss(rows)  # type: ignore[arg-type]


def fail_in_another(rank: int, folder: Path) -> None:
    """The main process says that another one has ended, in one line."""
    expected = (
        (ProcessLostError, "process 0 of 2 .* one has ended .* run again")
        if rank == 0
        else (ModelError, "out of luck")
    )
    with pytest.raises(expected[0], match=expected[1]) as caught:
        train(MICROBATCHES, folder / "failed", make_learner=FailingLearner)
    assert "\n" not in str(caught.value)


def begin_differently(rank: int, folder: Path) -> None:
    """Another seed, and so other weights."""
    config = MICROBATCHES.model_copy(update={"seed": rank})
    with pytest.raises(ProcessLostError if rank == 0 else ModelError, match="process"):
        train(config, folder / "different", make_learner=ToyLearner)


SCENES: tuple[tuple[int, Part], ...] = (
    (2, train_a_while),
    (3, train_to_the_end),
    (3, stop_early),
    (3, refuse_a_third),
    (2, interrupt_the_main_one),
    (2, fail_in_another),
    (2, begin_differently),
)
"""Number of processes, and what each of them does."""


def run_process(rank: int, folder: Path) -> None:
    for number, (size, scene) in enumerate(SCENES):
        if rank < size:
            meeting = f"file://{folder}/meet-{number}"
            dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
            processes.wait_for_all()
            scene(rank, folder)
            processes.leave_processes()


def run_all(folder: Path) -> int:
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=run_process, args=(rank, folder)) for rank in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return sum(child.exitcode != 0 for child in children)


def test_several_processes_are_as_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", __name__, str(tmp_path)]
    root = Path(__file__).parents[4]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    train(MICROBATCHES, tmp_path / "one", make_learner=ToyLearner)
    one, several = (exported_weights(tmp_path / name) for name in ("one", "out"))
    assert all(torch.equal(tensor, several[name]) for name, tensor in one.items())


def test_each_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pick(name: str) -> torch.device:
        asked.append(name)
        return torch.device("cuda:0")

    monkeypatch.setattr(processes, "pick_device", pick)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    second = Processes(3, 4)
    assert second.pick_device("auto") == torch.device("cuda:1")
    assert asked == ["auto", "cuda:1"]  # the last card of this machine must be there
    monkeypatch.setattr(checks, "joined_processes", lambda: second)
    with pytest.raises(ConfigError, match=r"device: expected cuda or auto, .* 4 processes .* found cuda:1;"):
        checks.check_machine(toy_settings(device="cuda:1", num_microbatches=4), None)
    monkeypatch.setenv("ANTIPHON_DEVICE", "cuda:1")
    with pytest.raises(ConfigError, match="found cuda:1"):
        second.pick_device("auto")


if __name__ == "__main__":
    sys.exit(run_all(Path(sys.argv[1])))
