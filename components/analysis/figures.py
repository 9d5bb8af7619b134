"""Figures (matplotlib) of the reports: their look, their shapes, and their files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.analysis.table import Plot
from components.files.files import write_atomically
from components.text.escaping import svg_data_uri

# One grey that reads on white and on near-black, since the report shows plots on both.
_INK = "#7d8590"
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


def to_data_uri(figure: Figure) -> str:
    """Return the figure as an SVG in a ``data:`` URI."""
    return svg_data_uri(to_svg(figure))


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
