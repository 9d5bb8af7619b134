"""A training as the content of a stage: model, kept checkpoints, metrics and learning curve."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from components.files.files import disk_full_as_store_error
from components.storage.stages.whole_stage import WORK, StageFiles
from components.training.config import TrainingConfig
from components.training.learners.learner import MakeLearner
from components.training.loop.trainer import train

MODEL, METRICS, CURVE = "model", "metrics.jsonl", "learning-curve.png"
CHECKPOINTS = "checkpoints"  # as components.models finds ``store:KEY@STEP``
_log = logging.getLogger("antiphon.training")


def make_model(
    config: TrainingConfig,
    folder: Path,
    learner: MakeLearner,
    score: str,
    progress: Callable[[float], None] = lambda percent: None,
    node: str = "",
) -> StageFiles:
    """Train into a stage's folder, or go on from the last checkpoint of an earlier attempt.

    Args:
        config: the training's settings.
        folder: the stage's folder.
        learner: makes the learner.
        score: name of the learner's development score.
        progress: sees how much of the budget is spent, in percent, after every evaluation and its checkpoint.
        node: begins the lines of progress, as several trainings may run side by side.
    """
    work = work_folder(folder)

    def report(row: dict[str, float]) -> None:
        _log.info(
            "%sstep %d of %d, epoch %d, %.1f min: loss %.3f, dev loss %.3f, dev %s %.2f (best at step %d)",
            f"{node}: " if node else "",
            *(row["step"], config.max_steps, row["epoch"], row["minutes"], row["train_loss"]),
            *(row["dev_loss"], score, row[f"dev_{score}"], row["best_step"]),
        )
        progress(_percent_done(config, row))

    with disk_full_as_store_error("the training", folder):
        state = train(config, work, report, learner)
        plot_learning_curve(state.history, folder / CURVE, score)
        shutil.copyfile(work / METRICS, folder / METRICS)
        shutil.copytree(work / MODEL, folder / MODEL, dirs_exist_ok=True)
        if config.keep_checkpoints:
            shutil.copytree(work / "kept", folder / CHECKPOINTS, dirs_exist_ok=True)
    models = [file for name in (MODEL, CHECKPOINTS) for file in (folder / name).rglob("*.*")]
    files = [str(path.relative_to(folder)) for path in models if path.is_file()]
    return StageFiles([METRICS, CURVE, *files], items=len(state.history), seconds=state.seconds)


def work_folder(folder: Path) -> Path:
    """Return where the training of a stage's folder leaves its unfinished work."""
    return folder / WORK


def _percent_done(config: TrainingConfig, row: dict[str, float]) -> float:
    """Return how much of the budget of steps or minutes is spent, in percent, whichever ends first."""
    share = row["step"] / config.max_steps
    if config.max_minutes is not None:
        share = max(share, row["minutes"] / config.max_minutes)
    return min(100.0, 100.0 * share)


def plot_learning_curve(history: Sequence[dict[str, float]], path: Path, score: str = "bleu") -> Path:
    """Plot losses (nats per token) and the development score over steps, as PNG.

    Args:
        history: the metrics of every evaluation.
        path: the file to write.
        score: name of the development score.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    losses = figure.add_subplot()
    steps = [row["step"] for row in history]
    losses.plot(steps, [row["train_loss"] for row in history], label="training loss (smoothed)", color="C7")
    losses.plot(steps, [row["dev_loss"] for row in history], label="dev loss", color="C0")
    losses.set_xlabel("step")
    losses.set_ylabel("nats per token")
    scores = losses.twinx()
    values = [row[f"dev_{score}"] for row in history]
    scores.plot(steps, values, label=f"dev {score.replace('_', ' ')}", color="C1", marker="o")
    scores.set_ylabel(score.replace("_", " "))
    if min(values) >= 0:
        scores.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)
    return path
