"""The training loop: :func:`train` trains to the end, :class:`Trainer` is one training.

An interrupted run that is started again goes on from its last checkpoint and ends with the same bits as
an uninterrupted one (same machine, threads and libraries): the order of the data is a function of
(seed, epoch), and checkpoints hold the state of the random number generator.

Where torch's default process group has several processes, each of them calls :func:`train` and computes its
share of the microbatches (``microbatches``), with the bits of one that computes all of
them. Process 0 alone scores and writes, into a folder that all see.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from components.compute.allocator import keep_freed_memory
from components.compute.device import use_threads
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.learners.learner import Learner, MakeLearner
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop import checkpoint
from components.training.loop.checkpoint import TrainingState
from components.training.loop.train_step import TrainStep, learning_rate
from components.training.loop.training_folder import claim_folder, write_metrics
from components.training.parallel.compilation import compile_forward
from components.training.parallel.prefetch import Prefetching
from components.training.parallel.processes import ALONE, Processes, joined_processes, leave_processes

Report = Callable[[dict[str, float]], None]
FINAL, KEPT_MODELS, CHECKPOINTS = "model", "kept", "checkpoints"


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
        ConfigError: where ``out`` holds a training with other settings, or there are more processes than
            microbatches.
        ProcessLostError: where another process of the training has ended.
    """
    processes = joined_processes() if config.num_microbatches > 1 else ALONE
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
        processes.require_microbatches(config.num_microbatches)
        self.checkpoints = out / CHECKPOINTS
        device = processes.pick_device(config.device)
        if processes.is_main:
            claim_folder(out, config)
        # The main process writes the vocabulary, which the others read.
        self.learner = processes.main_first(lambda: make_learner(config, out, device))
        self.model = self.learner.model
        if config.compile:
            compile_forward(self.model)
        self.train_step = TrainStep(config, self.learner, device, processes)
        torch.manual_seed(config.seed)
        self.state = self._restore()
        processes.require_same(lambda: _start_digest(self.learner))

    def _restore(self) -> TrainingState:
        """Set weights, optimizer and generators to those of the last checkpoint, if there is one."""

        def find() -> str | None:
            last = checkpoint.find_latest(self.checkpoints)
            return last.name if last else None

        name = self.processes.share(find)
        if name is None:
            return TrainingState()
        return checkpoint.restore(self.checkpoints / name, self.model, self.train_step.optimizer)

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
        try:
            for rows, following in itertools.takewhile(lambda _: not self.is_over, self.remaining_batches()):
                self.train_step.prefetch(following)
                self.update(rows)
                self.state.seconds = time.monotonic() - start
                if self.config.max_minutes is not None:  # by one clock
                    self.state.seconds = self.processes.share(lambda: self.state.seconds)
                if self.is_budget_spent or self.state.step % self.config.eval_every == 0:
                    self.evaluate()
        finally:
            if isinstance(self.learner, Prefetching):
                self.learner.loader.close()

    def remaining_batches(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield batches, and those that follow them in their epoch, from where the training stands."""
        config, state = self.config, self.state
        while True:
            plan = batches.plan_epoch(self.learner.lengths, config.batch_tokens, config.seed, state.epoch)
            while state.position < len(plan):
                rows, *following = plan[state.position : state.position + 2]
                state.position += 1
                yield rows, following[0] if following else []
            state.epoch, state.position = state.epoch + 1, 0

    def update(self, rows: list[int]) -> None:
        """Take one optimizer step on one batch."""
        self.model.train()
        self.state.step += 1
        self.train_step.run(rows, self.state)

    def evaluate(self) -> None:
        """Score the development set; write checkpoint and metrics."""
        losses = self.train_step.take_losses(self.state)
        if self.processes.is_main:
            self._score_and_save(sum(losses) / len(losses))
        state = self.processes.share(lambda: dataclasses.asdict(self.state))
        if not self.processes.is_main:  # in place: remaining_batches goes on with it
            vars(self.state).update(state)

    def _score_and_save(self, train_loss: float) -> None:
        state, config = self.state, self.config
        score = self._score()
        state.evals_without_improvement += 1
        if score > state.best_score:
            state.best_score, state.best_step, state.evals_without_improvement = score, state.step, 0
        row = {
            "step": state.step,
            "epoch": state.epoch,
            "minutes": round(state.seconds / 60, 3),
            "train_loss": train_loss,
            "dev_loss": self.learner.dev_loss(),
            f"dev_{self.learner.score_name}": score,
            "learning_rate": learning_rate(state.step, config),
            "tokens": state.tokens,
            "best_step": state.best_step,
        }
        state.history.append(row)
        keep = max(2, config.average_checkpoints, config.keep_checkpoints)
        checkpoint.save(self.checkpoints, self.model, self.train_step.optimizer, state, keep)
        write_metrics(self.out, state.history)
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
        write_metrics(self.out, self.state.history)

    def _load(self, *steps: int) -> None:
        """Set the weights to the mean of those of ``steps``."""
        paths = [checkpoint.checkpoint_folder(self.checkpoints, step) for step in steps]
        checkpoint.load_weights(self.model, checkpoint.average_weights(paths))

    def _score(self) -> float:
        self.model.eval()
        return self.learner.dev_score()


def _start_digest(learner: Learner) -> str:
    """Return the digest of what processes must agree in: the weights, and the examples' lengths."""
    digest = hashlib.sha256(repr(list(learner.lengths)).encode())
    for weight in checkpoint.list_trained_parameters(learner.model).values():
        digest.update(weight.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
