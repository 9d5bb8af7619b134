"""The training loop: ``train`` is the whole of it, ``Run`` what it works on.

An interrupted run that is started again goes on from its last checkpoint and ends with the same bits as
an uninterrupted one (same machine, threads and libraries): the order of the data is a function of
(seed, epoch), and checkpoints hold the state of the random number generator.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from components.allocator import freed_memory_kept
from components.device import on_threads, pick_device
from components.errors import ConfigError, ModelError
from components.models.digests import combined, write_atomically
from components.training import batches, checkpoint, objective
from components.training.checkpoint import State
from components.training.config import TrainingConfig
from components.training.learner import MakeLearner
from components.training.translation import TranslationLearner

Report = Callable[[dict[str, float]], None]
BUDGETS = {"max_steps", "max_minutes", "patience", "device"}
FINAL, KEPT, CHECKPOINTS = "model", "kept", "checkpoints"
_log = logging.getLogger("antiphon.training")


def train(
    config: TrainingConfig,
    out: Path,
    report: Report = lambda row: None,
    learner: MakeLearner = TranslationLearner,
) -> State:
    """Train until a budget is spent or the dev score stops rising; go on where ``out`` says a run stopped.

    ``out`` gets ``model/`` (what the learner exports: the average of the last checkpoints or the best one,
    whichever dev prefers), ``kept/step-N/`` (the last ``keep`` checkpoints, exported), ``metrics.jsonl`` and,
    to resume, ``checkpoints/``: from a damaged one it falls back to the one before, and ends with the same
    bits. ``report`` sees every row of the metrics. Raises ModelError when the loss is not finite, ConfigError
    when ``out`` holds a run of another configuration.
    """
    with on_threads(config.threads), freed_memory_kept(), checkpoint.system_errors():
        run = Run(config, out, report, learner)
        run.go_on()
        while (lost := checkpoint.first_lost(run.checkpoints, run.needed)) is not None:
            checkpoint.rewind(run.checkpoints, lost)
            run = Run(config, out, report, learner)
            run.go_on()
        run.finish()
    return run.state


class Run:
    """One run: learner, optimiser and counters."""

    def __init__(self, config: TrainingConfig, out: Path, report: Report, learner: MakeLearner) -> None:
        self.config, self.out, self.report = config, out, report
        self.checkpoints = out / CHECKPOINTS
        self.device = pick_device(config.device)
        self._claim()
        self.learner = learner(config, out, self.device)
        self.model = self.learner.model
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=self.device.type in {"cpu", "cuda"},
        )
        torch.manual_seed(config.seed)
        self.losses: list[float] = []
        last = checkpoint.latest(self.checkpoints)
        self.state = checkpoint.restore(last, self.model, self.optimiser) if last else State()

    def _claim(self) -> None:
        """Refuse a folder in which another configuration was trained: a mix would be neither."""
        settings = self.out / "settings.json"
        mine = self.config.model_dump(mode="json", exclude=BUDGETS)
        other = _read_settings(settings)
        if other is None:
            self.out.mkdir(parents=True, exist_ok=True)
            content = {"settings": mine, "sha256": _digest(mine)}
            write_atomically(settings, json.dumps(content, indent=2).encode() + b"\n")
        elif changed := sorted(n for n in mine.keys() | other.keys() if mine.get(n) != other.get(n)):
            name = changed[0]
            raise ConfigError(
                f"{self.out}: expected a run with {name} {other.get(name)!r}, found {mine.get(name)!r}; "
                "train into another folder"
            )

    @property
    def spent(self) -> bool:
        """Whether a budget is used up."""
        minutes = self.config.max_minutes
        late = minutes is not None and self.state.seconds >= 60 * minutes
        return late or self.state.step >= self.config.max_steps

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do but ``finish``."""
        return self.spent or self.state.worse >= self.config.patience

    @property
    def needed(self) -> set[int]:
        """Steps whose checkpoints ``finish`` reads."""
        last = self.state.last(max(self.config.average, self.config.keep))
        return {*last, self.state.best_step} - {0}

    def go_on(self) -> None:
        """Train from where the run stands until it is over."""
        started = time.monotonic() - self.state.seconds
        for rows in itertools.takewhile(lambda _: not self.over, self.remaining()):
            self.update(rows)
            self.state.seconds = time.monotonic() - started
            if self.spent or self.state.step % self.config.eval_every == 0:
                self.evaluate()

    def remaining(self) -> Iterator[list[int]]:
        """Batches from where the run stands, without end."""
        config, state = self.config, self.state
        while True:
            plan = batches.epoch_plan(self.learner.lengths, config.batch_pieces, config.seed, state.epoch)
            while state.position < len(plan):
                state.position += 1
                yield plan[state.position - 1]
            state.epoch, state.position = state.epoch + 1, 0

    def update(self, rows: list[int]) -> None:
        """One optimiser step on one batch."""
        self.model.train()
        state, config = self.state, self.config
        state.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = objective.learning_rate(state.step, config)
        with objective.autocast(self.device, config.dtype):
            mean, count = self.learner.loss(rows)
        torch.autograd.backward(mean)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip).item()
        loss = mean.item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ModelError(
                f"training step {state.step}: expected a finite loss, found {loss} (gradient norm {norm}); "
                f"lower learning_rate {config.learning_rate} or set dtype to float32"
            )
        self.optimiser.step()
        self.optimiser.zero_grad()
        state.tokens += count
        self.losses.append(loss)

    def evaluate(self) -> None:
        """Score on dev, write checkpoint and metrics."""
        state, config = self.state, self.config
        score = self._score()
        state.worse = state.worse + 1
        if score > state.best_score:
            state.best_score, state.best_step, state.worse = score, state.step, 0
        row = {
            "step": state.step,
            "epoch": state.epoch,
            "minutes": round(state.seconds / 60, 3),
            "train_loss": sum(self.losses) / len(self.losses),
            "dev_loss": self.learner.dev_loss(),
            f"dev_{self.learner.score_name}": score,
            "learning_rate": objective.learning_rate(state.step, config),
            "tokens": state.tokens,
            "best_step": state.best_step,
        }
        self.losses = []
        state.history.append(row)
        keep = max(2, config.average, config.keep)
        checkpoint.save(self.checkpoints, self.model, self.optimiser, state, keep)
        self._log()
        self.report(row)

    def finish(self) -> None:
        """Write ``kept/`` and ``model/``: the mean of the last checkpoints, or the best if dev prefers it."""
        for step in self.state.last(self.config.keep) if self.config.keep else ():
            self._load(step)
            self.learner.export(self.out / KEPT / f"step-{step}")
        self._load(*self.state.last(self.config.average))
        if self._score() < self.state.best_score:
            self._load(self.state.best_step)
        self.learner.export(self.out / FINAL)
        self._log()

    def _load(self, *steps: int) -> None:
        """Set the weights to the mean of those of ``steps``."""
        paths = [checkpoint.at(self.checkpoints, step) for step in steps]
        checkpoint.load_weights(self.model, checkpoint.average(paths))

    def _score(self) -> float:
        self.model.eval()
        return self.learner.dev_score()

    def _log(self) -> None:
        rows = "".join(json.dumps(row) + "\n" for row in self.state.history)
        (self.out / "metrics.jsonl").write_text(rows, encoding="utf-8")


def _read_settings(path: Path) -> dict[str, object] | None:
    """The settings that a run was begun with; None where they are missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
        settings: dict[str, object] = found["settings"]
        if found["sha256"] == _digest(settings):
            return settings
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    _log.warning("%s is damaged and is written again", path)
    return None


def _digest(settings: Mapping[str, object]) -> str:
    return combined({name: json.dumps(value) for name, value in settings.items()})
