"""One update of a model: losses and gradients of a batch, clipping, the optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from components.errors import ModelError
from components.training.config import TrainingConfig
from components.training.learners.learner import Trainable
from components.training.loop.checkpoint import TrainingState
from components.training.parallel import microbatches
from components.training.parallel.compilation import explain_compiler_errors
from components.training.parallel.prefetch import Prefetching
from components.training.parallel.processes import Processes

READ_EVERY = {"cpu": 1, "cuda": 16, "mps": 16}
"""Steps after which losses are read off a device, for which a GPU is waited for. Weights of a step without a
finite loss are never stored: all losses are read before a checkpoint."""


class TrainStep:
    """Updates a learner's weights, with the optimizer's state and the losses that were not reported yet.

    Args:
        config: the training's settings.
        learner: what is trained.
        device: its device.
        processes: those that compute the microbatches of each batch.
    """

    def __init__(
        self, config: TrainingConfig, learner: Trainable, device: torch.device, processes: Processes
    ) -> None:
        self._config, self._learner, self._device, self._processes = config, learner, device, processes
        self.weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=device.type in {"cpu", "cuda"},
        )
        self._losses: list[float] = []
        self._unread: list[Tensor] = []

    def prefetch(self, rows: Sequence[int]) -> None:
        """Let a learner that can do so prepare the next batch while the present one is computed."""
        if rows and isinstance(self._learner, Prefetching):
            parts = self._split(rows)
            for number in self._processes.share_of(len(parts)):
                self._learner.loader.prefetch(parts[number])

    def run(self, rows: Sequence[int], state: TrainingState) -> None:
        """Take the optimizer step ``state.step`` on the examples ``rows``, whose tokens ``state`` counts."""
        config = self._config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(state.step, config)
        with explain_compiler_errors() if config.compile else nullcontext():
            mean, *counts = self._backward(rows, state)
        norm = torch.nn.utils.clip_grad_norm_(self._learner.model.parameters(), config.max_grad_norm)
        self._unread.append(torch.stack([mean.detach().float(), norm.detach().float(), *counts]))
        if len(self._unread) >= READ_EVERY[self._device.type]:
            self._read_losses(state)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def take_losses(self, state: TrainingState) -> list[float]:
        """Return the losses of the steps since the last call.

        Raises:
            ModelError: a loss or a gradient norm is not finite; the main process says so for all.
        """
        self._read_losses(state)
        losses, self._losses = self._losses, []
        return losses

    def _split(self, rows: Sequence[int]) -> list[Sequence[int]]:
        count = self._config.num_microbatches
        return [*microbatches.split_rows(rows, self._learner.lengths, count)] if count > 1 else [rows]

    def _backward(self, rows: Sequence[int], state: TrainingState) -> tuple[Tensor, ...]:
        """Set the gradients; return the mean loss and, where it is on the device, the number of tokens."""
        parts = self._split(rows)
        if len(parts) == 1:
            mean, count = self._loss(rows)
            torch.autograd.backward(mean)
            state.tokens += count
            return (mean,)
        seeds = [
            microbatches.microbatch_seed(self._config.seed, state.step, number)
            for number in range(len(parts))
        ]
        return microbatches.backward(self._loss, self.weights, parts, seeds, self._processes)

    def _loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute matrix products in bfloat16 if that is the dtype; weights and optimizer stay float32."""
        in_bfloat16 = self._config.dtype == "bfloat16"
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=in_bfloat16):
            return self._learner.loss(rows)

    def _read_losses(self, state: TrainingState) -> None:
        """Read losses, gradient norms and numbers of tokens of the last steps in one copy."""
        rows = torch.stack(self._unread).tolist() if self._unread else []
        first = state.step - len(rows) + 1
        self._unread = []
        for step, (loss, norm, *counts) in enumerate(rows, first):
            state.tokens += int(sum(counts))
            if self._processes.is_main and not (math.isfinite(loss) and math.isfinite(norm)):
                raise ModelError(
                    f"training step {step}: expected a finite loss, found {loss} (gradient norm {norm}); "
                    f"lower learning_rate {self._config.learning_rate} or set dtype to float32"
                )
            self._losses.append(loss)


def _linear(step: int, config: TrainingConfig) -> float:
    steps_left = config.max_steps - step
    return max(0.0, steps_left / max(1, config.max_steps - config.warmup_steps))


SCHEDULES: dict[str, Callable[[int, TrainingConfig], float]] = {
    "inverse_sqrt": lambda step, config: float((config.warmup_steps / step) ** 0.5),
    "linear": _linear,
}
"""Decay after the warm-up, by the names of ``lr_schedule``: factor of the peak learning rate at a step."""


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step (the first is 1): linear warm-up, then a row of SCHEDULES."""
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    return config.learning_rate * SCHEDULES[config.lr_schedule](step, config)
