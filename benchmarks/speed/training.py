"""Training over two processes on the CPU: against one process with the same microbatches, and torch's DDP.

Wall seconds of an update of a Marian of the packaged translator's size on random sentences (2,500 tokens a
batch, one thread a process); the systems take turns within one ``torchrun``, and ratios are of the same
round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.common.sections import Result, option
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.loop.checkpoint import TrainingState
from components.training.loop.cross_entropy import label_smoothing_loss
from components.training.loop.train_step import TrainStep
from components.training.marian_model import build_marian
from components.training.parallel.microbatches import split_rows
from components.training.parallel.processes import ALONE, Processes, join_processes, leave_processes

PAGE = "speed-training"
PROCESSES = 2
ONE, TWO, DDP = "one process", "two processes", "two processes, torch's DDP"
PIECES, SENTENCES = 8000, 4000
Update = Callable[[list[int]], None]
"""Takes one optimizer step on a batch, given as the numbers of its sentences."""
OPTIONS = {"updates": option(3, "of each system in a round"), "rounds": option(7)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Seconds of an update by system and round, in processes of their own."""
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES), "-m", __name__]
    numbers = [str(options.updates), str(options.rounds)]
    done = subprocess.run([sys.executable, *launch, *numbers], stdout=subprocess.PIPE, text=True, check=True)
    yield Result("bfloat16", json.loads(done.stdout.splitlines()[-1]))


class RandomPairs:
    """A model that learns to copy random sentences, a ``Trainable``."""

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(config.seed)
        self.model = build_marian(config, PIECES)
        self.model.set_attn_implementation("eager")
        draw = torch.Generator().manual_seed(0)
        self.lengths = torch.randint(6, 26, (SENTENCES,), generator=draw).tolist()
        tokens = torch.randint(1, PIECES - 1, (SENTENCES, 26), generator=draw).tolist()
        sentences = [tuple(row[:length]) for row, length in zip(tokens, self.lengths, strict=True)]
        self.examples = [batches.Example(sentence, sentence) for sentence in sentences]

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """The mean loss of ``rows``, and their tokens."""
        batch = batches.collate([self.examples[row] for row in rows], PIECES - 1)
        return label_smoothing_loss(self.model, batch, 0.1)


class LossModule(nn.Module):
    """A learner's loss as a forward pass, which DistributedDataParallel wants."""

    def __init__(self, learner: RandomPairs) -> None:
        super().__init__()
        self.model, self._loss = learner.model, learner.loss

    def forward(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """The mean loss of ``rows``, and their tokens."""
        return self._loss(rows)


def build_update(learner: RandomPairs, config: TrainingConfig, processes: Processes) -> Update:
    """Updates as trainings take them."""
    torch.manual_seed(config.seed)
    step, state = TrainStep(config, learner, torch.device("cpu"), processes), TrainingState()

    def update(rows: list[int]) -> None:
        learner.model.train()
        state.step += 1
        step.run(rows, state)

    return update


def build_ddp_update(learner: RandomPairs, config: TrainingConfig, processes: Processes) -> Update:
    """Updates by torch's DistributedDataParallel, each process with one microbatch."""
    wrapped = DistributedDataParallel(LossModule(learner), gradient_as_bucket_view=True)
    optimizer = torch.optim.AdamW(learner.model.parameters(), config.learning_rate, (0.9, 0.98), fused=True)

    def update(rows: list[int]) -> None:
        learner.model.train()
        part = split_rows(rows, learner.lengths, processes.size)[processes.rank]
        total = sum(len(learner.examples[row].target) for row in rows)
        with torch.autocast("cpu", torch.bfloat16):
            mean, count = wrapped(part)
        torch.autograd.backward(mean * (count * processes.size / total))
        torch.nn.utils.clip_grad_norm_(learner.model.parameters(), config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    return update


def time_updates(updates: int, rounds: int, processes: Processes) -> dict[str, Any]:
    """Seconds of an update by system and round, and whether one and two processes have the same weights."""
    torch.set_num_threads(1)
    config = TrainingConfig(num_microbatches=PROCESSES, device="cpu", dtype="bfloat16")
    one, two, ddp = (RandomPairs(config) for _ in range(3))
    systems: dict[str, Update] = {
        ONE: build_update(one, config, ALONE) if processes.is_main else lambda rows: None,
        TWO: build_update(two, config, processes),
        DDP: build_ddp_update(ddp, config, processes),
    }
    plan = batches.plan_epoch(two.lengths, config.batch_tokens, config.seed, 0)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds + 1):
        for name, update in systems.items():
            dist.barrier()
            begun = time.perf_counter()
            for rows in plan[:updates]:
                update(rows)
            dist.barrier()
            if number:  # the first round warms up
                seconds[name].append(round((time.perf_counter() - begun) / updates, 4))
    pairs = zip(one.model.parameters(), two.model.parameters(), strict=True)
    values = {"parameters": sum(weight.numel() for weight in two.model.parameters())}
    same = all(torch.equal(alone, together) for alone, together in pairs)
    return {**values, "updates": updates, "rounds": rounds, "seconds": seconds, "same_weights": same}


if __name__ == "__main__":
    group = join_processes()
    try:
        values = time_updates(int(sys.argv[1]), int(sys.argv[2]), group)
        if group.is_main:
            print(json.dumps(values))
    finally:
        leave_processes()
