"""Plots of routers: how even the load is, and which experts a language or a kind of token goes to."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from components.experts.routing_stats import LayerRoutingStats
from components.files.files import write_atomically


def plot_routing(layers: Mapping[str, LayerRoutingStats], path: Path) -> Path:
    """Plot a column per sparse layer: load of experts, then their shares by language and kind of token.

    A cell of the lower pictures is the share of a row's slots that go to an expert; white is none.
    """
    count = len(layers)
    figure = Figure(figsize=(1.2 + 2.1 * count, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(3, count, squeeze=False, sharex=True, height_ratios=[1, 1, 2])
    for column, (name, layer) in enumerate(layers.items()):
        bars = grid[0][column]
        total = sum(layer.load) or 1
        bars.bar(range(len(layer.load)), [n / total for n in layer.load], color="#3d83d6")
        bars.axhline(1 / len(layer.load), color="#7d8590", linewidth=0.8, linestyle="--")
        bars.set_ylim(0, 1 if max(layer.load) > total / 2 else 0.5)
        bars.set_title(shorten_layer_name(name), fontsize=9)
        for row, table in ((1, layer.by_language), (2, layer.by_class)):
            axes = grid[row][column]
            axes.imshow([_shares(counts) for counts in table.values()], aspect="auto", cmap="Blues", vmin=0)
            axes.set_yticks(range(len(table)), list(table) if column == 0 else [""] * len(table))
        grid[2][column].set_xlabel("expert")
    grid[0][0].set_ylabel("share of slots")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], dpi=120)
    write_atomically(path, content.getvalue())
    return path


def shorten_layer_name(layer: str) -> str:
    """Return ``model.encoder.layers.0.fc1`` as ``encoder 0``."""
    parts = layer.split(".")
    side = next((p for p in parts if p in ("encoder", "decoder")), "layer")
    return f"{side} {next((p for p in parts if p.isdigit()), '')}".strip()


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [n / total if total else 0.0 for n in counts]
