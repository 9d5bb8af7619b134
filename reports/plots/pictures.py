"""Plots as pictures, drawn once: a run that computed nothing new has the plots of the one before.

Importing matplotlib and drawing four plots takes a quarter of the CPU time of such a run. Pictures are kept
in the user's cache under a digest of what is drawn, of the code that draws and of matplotlib's version.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import NamedTuple

from components.files.canonical_json import digest_of
from components.files.digests import cache_folder
from components.files.files import write_atomically

_KEPT = 200
"""Pictures that the cache holds, of some 20 kB each; the oldest leave."""


class Plot(NamedTuple):
    """What is drawn: a function of :mod:`components.analysis.figures`, its arguments, and a title."""

    shape: str
    data: tuple[object, ...]
    title: str


def draw_picture(plot: Plot, suffix: str) -> bytes:
    """Return the picture of a plot.

    Args:
        plot: what is drawn.
        suffix: ``svg``, without a background, for a page; ``png``, on white and under its title.
    """
    key = digest_of([list(plot), *_drawing_code()])
    path = cache_folder() / "pictures" / f"{key}.{suffix}"
    with suppress(OSError):
        return path.read_bytes()
    content = _draw(plot, suffix)
    with suppress(OSError):  # a cache that cannot be written to costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    return content


@cache
def _drawing_code() -> tuple[str, str]:
    figures = files("components.analysis").joinpath("figures.py").read_text(encoding="utf-8")
    return version("matplotlib"), figures


def _draw(plot: Plot, suffix: str) -> bytes:
    from components.analysis import figures  # noqa: PLC0415 - imports matplotlib

    with figures.plot_style():
        figure = figures.SHAPES[plot.shape](*plot.data)
    return figures.to_svg(figure) if suffix == "svg" else figures.to_png(figure, plot.title)
