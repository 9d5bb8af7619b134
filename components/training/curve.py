"""The learning curve of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def plot(history: Sequence[dict[str, float]], path: Path) -> Path:
    """Losses (nats per token) and dev BLEU over steps, written as PNG. ``history``: rows of the metrics."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    losses = figure.add_subplot()
    steps = [row["step"] for row in history]
    losses.plot(steps, [row["train_loss"] for row in history], label="training loss (smoothed)", color="C7")
    losses.plot(steps, [row["dev_loss"] for row in history], label="dev loss", color="C0")
    losses.set_xlabel("step")
    losses.set_ylabel("nats per token")
    scores = losses.twinx()
    scores.plot(
        steps, [row["dev_bleu"] for row in history], label="dev BLEU (greedy)", color="C1", marker="o"
    )
    scores.set_ylabel("BLEU")
    scores.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)
    return path
