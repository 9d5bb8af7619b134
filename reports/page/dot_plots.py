"""Which plots of a page have a dot per utterance that leads to it; the page's script draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.analysis.table import Column
from reports.views.run_view import RunView

AS_DOTS = frozenset({"wer_chrf", "length_score"})
"""Figures that the page draws itself, as dots."""
_LABELS = {"wer": "WER (%)", "chrf": "chrF2", "confidence": "confidence (0 to 1)", "tokens": "tokens"}


class DotPlot(NamedTuple):
    """Two columns of the index, by name, with what their axes say."""

    title: str
    description: str
    x: str
    y: str
    x_label: str
    y_label: str
    diagonal: bool = False


_OF_RUN = (
    ("wer", "chrf", "Recognition against translation", "Does a worse transcript give a worse translation?"),
    (
        "confidence",
        "wer",
        "Confidence against WER",
        "Are the transcripts that go wrong those that seem unlikely?",
    ),
    (
        "confidence",
        "chrf",
        "Confidence against chrF2",
        "Are the worse translations those that seem unlikely?",
    ),
    ("tokens", "confidence", "Length against confidence", "Of the last node's best hypothesis."),
)


def list_dot_plots(view: RunView, columns: Sequence[Column]) -> Iterator[DotPlot]:
    """Yield the plots for which the utterances have numbers."""
    labels = {column.name: column.label for column in columns}
    for x, y, title, description in _OF_RUN:
        # Confidence is that of the last node, which in a run with translations is no recognizer.
        if {x, y} <= labels.keys() and (y != "wer" or "chrf" not in labels):
            yield DotPlot(title, description, x, y, _LABELS[x], _LABELS[y])
    base, *others = view.systems or ("",)
    for name in others:
        x, y = f"score: {base}", f"score: {name}"
        if {x, y} <= labels.keys():
            x_label, y_label = (labels[each].removesuffix(", lowest first") for each in (x, y))
            description = "Score of each utterance by both; where they are equal is the dashed line."
            yield DotPlot(f"{name} against {base}", description, x, y, x_label, y_label, diagonal=True)
