"""The training loop: :func:`train` trains to the end, :class:`Trainer` is one training.

An interrupted run that is started again goes on from its last checkpoint and ends with the same bits as
an uninterrupted one (same machine, threads and libraries): the order of the data is a function of
(seed, epoch), and checkpoints hold the state of the random number generator.

With ``data_parallel_size`` N each batch is computed in N parts
(:mod:`components.training.data_parallel`). Where torch's default process group has N processes, each calls
:func:`train` and computes one part of each batch; the result is what one process makes of the N parts.
Process 0 alone scores and writes, into a folder that all see.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from components.allocator import keep_freed_memory
from components.device import use_threads
from components.digests import combine_digests
from components.errors import ConfigError, ModelError
from components.files import write_atomically
from components.training import batches, checkpoint
from components.training.checkpoint import TrainingState
from components.training.compilation import compile_forward
from components.training.config import TrainingConfig
from components.training.data_parallel import backward_in_parts, part_seed, split_rows
from components.training.learner import MakeLearner
from components.training.lr_schedule import learning_rate
from components.training.prefetch import Prefetching
from components.training.processes import ALONE, Processes, joined_processes, leave_processes
from components.training.translation_learner import TranslationLearner

Report = Callable[[dict[str, float]], None]
BUDGETS = {"max_steps", "max_minutes", "patience", "device"}
READ_EVERY = {"cpu": 1, "cuda": 16, "mps": 16}
"""Steps after which losses are read off a device, for which a GPU is waited for. Weights of a step without a
finite loss are never stored: all losses are read before a checkpoint."""
FINAL, KEPT_MODELS, CHECKPOINTS = "model", "kept", "checkpoints"
_log = logging.getLogger("antiphon.training")


def train(
    config: TrainingConfig,
    out: Path,
    report: Report = lambda row: None,
    make_learner: MakeLearner = TranslationLearner,
) -> TrainingState:
    """Train until a budget is spent or the development score stops rising.

    A training that was interrupted in ``out`` goes on from its last checkpoint. From a damaged checkpoint it
    falls back to the one before, and ends with the same bits.

    Args:
        config: the settings.
        out: the folder of the training. It gets ``model/`` (what the learner exports: the average of the last
            checkpoints or the best one, whichever the development set prefers), ``kept/step-N/`` (the last
            ``keep_checkpoints`` checkpoints, exported), ``metrics.jsonl``, and ``checkpoints/`` to resume
            from.
        report: is called with the metrics of every evaluation.
        make_learner: makes the learner.

    Returns:
        The counters at the end.

    Raises:
        ModelError: where the loss is not finite.
        ConfigError: where ``out`` holds a training with other settings, or there are several processes, but
            not one for each part.
        ProcessLostError: where another process of the training has ended.
    """
    processes = joined_processes() if config.data_parallel_size > 1 else ALONE
    try:
        with use_threads(config.threads), keep_freed_memory(), checkpoint.safetensors_errors_as_os_errors():
            return _train(config, out, report, make_learner, processes)
    except BaseException:
        if processes.size > 1:  # the others would wait for this one
            leave_processes()
        raise


def _train(
    config: TrainingConfig, out: Path, report: Report, make_learner: MakeLearner, processes: Processes
) -> TrainingState:
    def run() -> tuple[Trainer, int | None]:
        trainer = Trainer(config, out, report, make_learner, processes)
        trainer.run()
        return trainer, processes.share(
            lambda: checkpoint.find_first_damaged(trainer.checkpoints, trainer.needed_steps)
        )

    trainer, damaged_step = run()
    while damaged_step is not None:
        if processes.is_main:
            checkpoint.rewind(trainer.checkpoints, damaged_step)
        trainer, damaged_step = run()
    processes.share(trainer.finish)
    return trainer.state


class Trainer:
    """One training: its learner, optimizer and counters."""

    def __init__(
        self,
        config: TrainingConfig,
        out: Path,
        report: Report,
        make_learner: MakeLearner,
        processes: Processes = ALONE,
    ) -> None:
        self.config, self.out, self.report, self.processes = config, out, report, processes
        processes.require_size(config.data_parallel_size)
        self.checkpoints = out / CHECKPOINTS
        self.device = processes.pick_device(config.device)
        if processes.is_main:
            self._claim_folder()
        # The main process writes the vocabulary, which the others read.
        self.learner = processes.main_first(lambda: make_learner(config, out, self.device))
        self.model = self.learner.model
        if config.compile:
            compile_forward(self.model)
        self._weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self._weights,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=self.device.type in {"cpu", "cuda"},
        )
        torch.manual_seed(config.seed)
        self.losses: list[float] = []
        self._unread: list[Tensor] = []
        self._epoch_plan: list[list[int]] = []
        self.state = self._restore()
        processes.require_same(self._start_digest)

    def _restore(self) -> TrainingState:
        """Set weights, optimizer and generators to those of the last checkpoint, if there is one."""

        def find() -> str | None:
            last = checkpoint.find_latest(self.checkpoints)
            return last and last.name

        name = self.processes.share(find)
        if name is None:
            return TrainingState()
        return checkpoint.restore(self.checkpoints / name, self.model, self.optimizer)

    def _start_digest(self) -> str:
        """Return the digest of what processes must agree in: the weights, and the examples' lengths."""
        digest = hashlib.sha256(repr(list(self.learner.lengths)).encode())
        for weight in self._weights:
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy())
        return digest.hexdigest()

    def _claim_folder(self) -> None:
        """Refuse a folder that holds a training with other settings: a mix would be neither."""
        settings = self.out / "settings.json"
        settings_here = self.config.settings_for_key(BUDGETS)
        settings_there = _read_settings(settings, type(self.config))
        if settings_there is None:
            self.out.mkdir(parents=True, exist_ok=True)
            content = {"settings": settings_here, "sha256": _digest(settings_here)}
            write_atomically(settings, json.dumps(content, indent=2).encode() + b"\n")
        elif changed := sorted(
            n
            for n in settings_here.keys() | settings_there.keys()
            if settings_here.get(n) != settings_there.get(n)
        ):
            name = changed[0]
            raise ConfigError(
                f"{self.out}: expected a run with {name} {settings_there.get(name)!r}, found "
                f"{settings_here.get(name)!r}; train into another folder"
            )

    @property
    def is_budget_spent(self) -> bool:
        """Whether a budget is used up."""
        minutes = self.config.max_minutes
        late = minutes is not None and self.state.seconds >= 60 * minutes
        return late or self.state.step >= self.config.max_steps

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do but ``finish``."""
        return self.is_budget_spent or self.state.evals_without_improvement >= self.config.patience

    @property
    def needed_steps(self) -> set[int]:
        """The steps whose checkpoints :meth:`finish` reads."""
        last = self.state.last_steps(max(self.config.average_checkpoints, self.config.keep_checkpoints))
        return {*last, self.state.best_step} - {0}

    def run(self) -> None:
        """Train from where the training stands until it is over."""
        start = time.monotonic() - self.state.seconds
        for rows in itertools.takewhile(lambda _: not self.is_over, self.remaining_batches()):
            self._prefetch()
            self.update(rows)
            self.state.seconds = time.monotonic() - start
            if self.config.max_minutes is not None:  # by one clock
                self.state.seconds = self.processes.share(lambda: self.state.seconds)
            if self.is_budget_spent or self.state.step % self.config.eval_every == 0:
                self.evaluate()

    def remaining_batches(self) -> Iterator[list[int]]:
        """Yield batches from where the training stands, without end."""
        config, state = self.config, self.state
        while True:
            plan = batches.plan_epoch(self.learner.lengths, config.batch_tokens, config.seed, state.epoch)
            self._epoch_plan = plan
            while state.position < len(plan):
                state.position += 1
                yield plan[state.position - 1]
            state.epoch, state.position = state.epoch + 1, 0

    def _prefetch(self) -> None:
        """Let the learner prepare the next batch of this epoch while the present one is computed."""
        if isinstance(self.learner, Prefetching) and self.state.position < len(self._epoch_plan):
            for part in self._own_parts(self._epoch_plan[self.state.position]):
                self.learner.prefetch(part)

    def _own_parts(self, rows: list[int]) -> list[list[int]]:
        if self.config.data_parallel_size == 1:
            return [rows]
        parts = split_rows(rows, self.learner.lengths, self.config.data_parallel_size)
        return [parts[part] for part in self.processes.parts(len(parts))]

    def update(self, rows: list[int]) -> None:
        """Take one optimizer step on one batch."""
        self.model.train()
        state, config = self.state, self.config
        state.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(state.step, config)
        mean, *counts = self._backward(rows)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        self._unread.append(torch.stack([mean.detach().float(), norm.detach().float(), *counts]))
        if len(self._unread) >= READ_EVERY[self.device.type]:
            self._read_losses()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _backward(self, rows: list[int]) -> tuple[Tensor, ...]:
        """Set the gradients; return the mean loss and, where only the device knows them, the tokens."""
        size = self.config.data_parallel_size
        if size == 1:
            mean, count = self._loss(rows)
            torch.autograd.backward(mean)
            self.state.tokens += count
            return (mean,)
        parts = split_rows(rows, self.learner.lengths, size)
        seeds = [part_seed(self.config.seed, self.state.step, part) for part in range(size)]
        return backward_in_parts(self._loss, self._weights, parts, seeds, self.processes)

    def _loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        with _autocast(self.device, self.config.dtype):
            return self.learner.loss(rows)

    def _read_losses(self) -> None:
        """Read the losses, gradient norms and tokens of the last steps in one copy.

        Raises:
            ModelError: one of them is not finite.
        """
        rows = torch.stack(self._unread).tolist() if self._unread else []
        first = self.state.step - len(rows) + 1
        self._unread = []
        for step, (loss, norm, *counts) in enumerate(rows, first):
            self.state.tokens += int(sum(counts))
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise ModelError(
                    f"training step {step}: expected a finite loss, found {loss} (gradient norm {norm}); "
                    f"lower learning_rate {self.config.learning_rate} or set dtype to float32"
                )
            self.losses.append(loss)

    def evaluate(self) -> None:
        """Score the development set; write checkpoint and metrics."""
        self._read_losses()
        if self.processes.is_main:
            self._score_and_save()
        state = self.processes.share(lambda: dataclasses.asdict(self.state))
        if not self.processes.is_main:  # in place: remaining_batches goes on with it
            vars(self.state).update(state)

    def _score_and_save(self) -> None:
        state, config = self.state, self.config
        score = self._score()
        state.evals_without_improvement += 1
        if score > state.best_score:
            state.best_score, state.best_step, state.evals_without_improvement = score, state.step, 0
        row = {
            "step": state.step,
            "epoch": state.epoch,
            "minutes": round(state.seconds / 60, 3),
            "train_loss": sum(self.losses) / len(self.losses),
            "dev_loss": self.learner.dev_loss(),
            f"dev_{self.learner.score_name}": score,
            "learning_rate": learning_rate(state.step, config),
            "tokens": state.tokens,
            "best_step": state.best_step,
        }
        self.losses = []
        state.history.append(row)
        keep = max(2, config.average_checkpoints, config.keep_checkpoints)
        checkpoint.save(self.checkpoints, self.model, self.optimizer, state, keep)
        self._write_metrics()
        self.report(row)

    def finish(self) -> None:
        """Write ``kept/`` and ``model/``, the mean of the last checkpoints or, if better, the best one."""
        for step in (
            self.state.last_steps(self.config.keep_checkpoints) if self.config.keep_checkpoints else ()
        ):
            self._load(step)
            self.learner.export(self.out / KEPT_MODELS / f"step-{step}")
        self._load(*self.state.last_steps(self.config.average_checkpoints))
        if self._score() < self.state.best_score:
            self._load(self.state.best_step)
        self.learner.export(self.out / FINAL)
        self._write_metrics()

    def _load(self, *steps: int) -> None:
        """Set the weights to the mean of those of ``steps``."""
        paths = [checkpoint.checkpoint_folder(self.checkpoints, step) for step in steps]
        checkpoint.load_weights(self.model, checkpoint.average_weights(paths))

    def _score(self) -> float:
        self.model.eval()
        return self.learner.dev_score()

    def _write_metrics(self) -> None:
        rows = "".join(json.dumps(row) + "\n" for row in self.state.history)
        (self.out / "metrics.jsonl").write_text(rows, encoding="utf-8")


def _read_settings(path: Path, model: type[TrainingConfig]) -> dict[str, object] | None:
    """Read the settings that a training was begun with; None where they are missing or damaged."""
    try:
        content = json.loads(path.read_bytes())
        settings: dict[str, object] = content["settings"]
        if content["sha256"] == _digest(settings):
            return model.with_present_names(settings)  # it may have begun in the version before
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    _log.warning("%s is damaged: the settings of this training are written there again", path)
    return None


def _digest(settings: Mapping[str, object]) -> str:
    return combine_digests({name: json.dumps(value) for name, value in settings.items()})


def _autocast(device: torch.device, dtype: str) -> torch.autocast:
    """Compute matrix products in bfloat16 if that is the ``dtype``; weights and optimizer stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")
