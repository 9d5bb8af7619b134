"""Plots of a run: distribution of scores, recognition against translation, time per stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.files.files import write_bytes
from components.metrics.metric import Output
from reports.plots.pictures import Plot, draw_picture
from reports.views.run_view import RunView

TITLES = {
    "wer_histogram": "Word error rate per utterance",
    "chrf_histogram": "chrF2 per utterance",
    "wer_chrf": "Recognition against translation",
    "stage_seconds": "Time per stage",
    "length_score": "Length against score",
}

DESCRIPTIONS = {
    "wer_histogram": "How many utterances have which WER; the last bar holds 100% and more.",
    "chrf_histogram": "How many utterances have which chrF2.",
    "wer_chrf": "One dot per utterance: does a worse transcript give a worse translation?",
    "stage_seconds": "Wall time of computing each stage, in this run or before it.",
    "length_score": "Mean log-probability per token of the last stage's best hypothesis, by its length.",
}


_OF_ALL = ("wer_histogram", "chrf_histogram", "stage_seconds")
"""Plots that also show what utterances say that a sample does not have."""


def describe(name: str, view: RunView) -> str:
    """Return what a plot shows."""
    limits = " Of the utterances that are shown." if view.sample and name not in _OF_ALL else ""
    return f"{DESCRIPTIONS[name]}{limits}"


def list_plots(view: RunView) -> dict[str, Plot]:
    """Return the plots that the run has data for, by file name."""
    numbers = view.numbers()
    errors = _values_of_all(view, "transcript")
    if errors is None:
        errors = [wer for wer, _, _, _ in numbers if wer is not None]
    similar = _values_of_all(view, "translation")
    if similar is None:
        similar = [chrf for _, chrf, _, _ in numbers if chrf is not None]
    both = [(wer, chrf) for wer, chrf, _, _ in numbers if wer is not None and chrf is not None]
    lengths = [(n, score / n) for _, _, score, n in numbers if score is not None and n]
    costs = [(row.stage, row.seconds) for row in view.stages() if row.has_stage]
    result: dict[str, tuple[str, tuple[object, ...]]] = {}
    if errors:
        result["wer_histogram"] = "histogram", (errors, "WER (%)", "100+")
    elif similar:
        result["chrf_histogram"] = "histogram", (similar, "chrF2", "100")
    if len(both) > 1:
        result["wer_chrf"] = "scatter", (both, "WER (%)", "chrF2")
    if costs:
        result["stage_seconds"] = "bars", (costs,)
    if len({score for _, score in lengths}) > 1:  # a function or a program scores nothing
        result["length_score"] = "scatter", (lengths, "tokens", "log-probability per token (nats)")
    return {name: Plot(shape, data, TITLES[name]) for name, (shape, data) in result.items()}


def _values_of_all(view: RunView, output: Output) -> list[float] | None:
    """Return a value for each utterance of a large run that falls where its score does; None of another."""
    for text in () if view.overview is None else view.overview.texts:
        if text.output == output:
            width = 100.0 / len(text.histogram)
            return [(n + 0.5) * width for n, count in enumerate(text.histogram) for _ in range(count)]
    return None


def save_plots(plots: Mapping[str, Plot], folder: Path) -> list[Path]:
    """Write plots (file name -> plot) as PNG on white with their titles; the page has them as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / f"{name}.png": plot for name, plot in plots.items()}
    for path, plot in paths.items():
        write_bytes(path, draw_picture(plot, "png"))
    return list(paths)
