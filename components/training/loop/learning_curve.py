"""The learning curve of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


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
