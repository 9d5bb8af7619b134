"""Figures (matplotlib) of the reports: their look, their shapes, and their files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from components.analysis.table import Plot
from components.files.files import write_atomically
from components.text.escaping import to_printable

# One grey that reads on white and on near-black, since the report shows plots on both.
_INK, _ACCENT = "#7d8590", "#3d83d6"
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "grid.color": _INK,
    "grid.alpha": 0.2,
    "svg.hashsalt": "antiphon",
    "svg.fonttype": "path",
    "savefig.dpi": 160,
}
_DRAWN: WeakKeyDictionary[Figure, bytes] = WeakKeyDictionary()
"""What was drawn of a figure: 50 ms each, and both the page and the folder of plots want it."""
_MANY = 400
"""Dots above which a scatter is drawn as one picture instead of as one shape each."""


def save_figures(plots: Sequence[Plot], folder: Path) -> list[Path]:
    """Write figures as PNG on white with their titles, and return the files; the page has them as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / f"{plot.name}.png": plot for plot in plots}
    for path, plot in paths.items():
        write_atomically(path, to_png(plot.figure, plot.title))
    return list(paths)


def to_png(figure: Figure, title: str) -> bytes:
    """Return the figure on white under its title."""
    content = io.BytesIO()
    with plot_style():
        figure.suptitle(title, x=0.02, ha="left", fontsize=10, fontweight="bold")
        figure.savefig(content, format="png", facecolor="white")
    return content.getvalue()


def to_svg(figure: Figure) -> bytes:
    """Return the figure without a background, for a page; the same bytes every time, and drawn once."""
    if figure not in _DRAWN:
        content = io.BytesIO()
        with plot_style():
            figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
        _DRAWN[figure] = content.getvalue()
    return _DRAWN[figure]


@contextmanager
def plot_style() -> Iterator[None]:
    """Yield the look of every plot, inside the ``with``."""
    with mpl.rc_context(cast(Any, _STYLE)):
        yield


def new_axes(height: float = 2.7) -> tuple[Figure, Axes]:
    """Return a figure ``height`` inches high with its one plot."""
    # A Figure of its own, never pyplot's: nothing to close, safe in any thread, always Agg.
    figure = Figure(figsize=(4.6, height), layout="constrained")
    return figure, figure.add_subplot()


def histogram(values: Sequence[float], label: str, last: str) -> Figure:
    """Return how many values of 0 to 100 and more fall into each twentieth; ``last`` labels the last one."""
    figure, plot = new_axes()
    edges = [*range(0, 105, 5)]
    plot.hist([min(value, 100.0) for value in values], bins=edges, color=_ACCENT, rwidth=0.86)
    plot.set(xlabel=label, ylabel="utterances", xlim=(0, 100))
    plot.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", last])
    plot.yaxis.set_major_locator(MaxNLocator(integer=True))
    plot.grid(axis="y")
    return figure


def scatter(points: Sequence[tuple[float, float]], x: str, y: str) -> Figure:
    """Return a dot a point; ``x`` and ``y`` label the axes."""
    figure, plot = new_axes()
    horizontal, vertical = zip(*points, strict=True)
    many = len(points) > _MANY
    plot.scatter(
        horizontal,
        vertical,
        s=10 if many else 20,
        alpha=0.25 if many else 0.55,
        color=_ACCENT,
        linewidths=0,
        rasterized=many,
    )
    plot.set(xlabel=x, ylabel=y)
    plot.margins(0.04)
    plot.grid()
    return figure


def bars(costs: Sequence[tuple[str, float]]) -> Figure:
    """Return a bar of seconds for each (stage, seconds)."""
    figure, plot = new_axes(0.9 + 0.36 * len(costs))
    names, seconds = zip(*costs, strict=True)
    drawn = plot.barh(range(len(costs)), seconds, color=_ACCENT, height=0.6)
    plot.bar_label(drawn, fmt="%.1f s", padding=4)
    plot.set_yticks(range(len(costs)), [_short(to_printable(name)) for name in names])
    plot.invert_yaxis()
    plot.margins(x=0.28)
    plot.set_xlabel("seconds")
    plot.grid(axis="x")
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


SHAPES: dict[str, Callable[..., Figure]] = {"histogram": histogram, "scatter": scatter, "bars": bars}
"""By the shape of a plot of the report, which is drawn where its picture is not kept."""
