"""Plots of confidences: reliability diagrams, and risk over coverage beside random and best order."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.analysis.figures import new_axes, plot_style
from components.confidence.evaluation.quality import SignalQuality

_STYLES = (("#3d83d6", "o", "-"), ("#d9822b", "s", "--"))
"""Color, marker and line of the estimate and of the raw signal: told apart without color, too."""
_GREY = "#7d8590"
_RISKS = {"wer": "mean WER (%)", "chrf": "100 - mean chrF"}


def _draw_reliability(signals: Sequence[SignalQuality]) -> Figure:
    with plot_style():
        figure, plot = new_axes(3.4)
        plot.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=":", label="calibrated")
        for signal, (color, marker, line) in zip(signals, _STYLES, strict=False):
            if signal.reliability:
                x = [each.confidence for each in signal.reliability]
                y = [each.accuracy for each in signal.reliability]
                plot.plot(x, y, color=color, marker=marker, markersize=4, linestyle=line, label=signal.signal)
        plot.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
        _finish(plot)
    return figure


def _draw_risk(signals: Sequence[SignalQuality]) -> Figure:
    with plot_style():
        figure, plot = new_axes(3.4)
        for signal, (color, _, line) in zip(signals, _STYLES, strict=False):
            plot.plot(
                signal.curve.coverage, signal.curve.risk, color=color, linestyle=line, label=signal.signal
            )
        first = signals[0]
        plot.axhline(first.mean_loss, color=_GREY, linewidth=1, linestyle=":", label="random order")
        plot.plot(
            first.curve.coverage,
            first.curve.best,
            color=_GREY,
            linewidth=1,
            linestyle="-.",
            label="best order",
        )
        risk = _RISKS.get(first.outcome, "share that is wrong")
        plot.set(xlabel="coverage: the surest share that is kept", ylabel=risk, xlim=(0, 1))
        plot.set_ylim(bottom=0)
        _finish(plot)
    return figure


def _finish(plot: Axes) -> None:
    plot.grid()
    plot.legend(frameon=False)


FIGURES = {"reliability": _draw_reliability, "risk_coverage": _draw_risk}
"""Name of a plot -> what draws it, of the signals of one node and outcome."""
