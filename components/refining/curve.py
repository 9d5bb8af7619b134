"""Plot of the score after each round of refinement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from components.run_record import Score


def plot_refinement_curve(scores: Sequence[Score], path: Path) -> Path:
    """Return one metric of rounds 0, 1, ... with its 95% intervals, as PNG."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    values = [score.value for score in scores]
    ends = [score.interval or (score.value, score.value) for score in scores]
    errors = [[value - low for value, (low, _) in zip(values, ends, strict=True)]]
    errors.append([high - value for value, (_, high) in zip(values, ends, strict=True)])
    axes.errorbar(range(len(values)), values, yerr=errors, marker="o", capsize=3)
    axes.set_xticks(range(len(values)))
    axes.set(xlabel="round", ylabel=scores[0].name.partition("_")[0] if scores else "")
    figure.savefig(path, dpi=120)
    return path
