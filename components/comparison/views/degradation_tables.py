"""Degradation as tables and sentences: score at every strength, slopes with intervals, tests between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from components.analysis.formatting import describe_too_few, format_estimate, format_p_value
from components.analysis.table import Plot, Table
from components.comparison.comparison import Comparison
from components.comparison.strengths.degradation import Degradation, SlopeDifference
from components.metrics.choices import TEST_LABELS
from components.metrics.table import label_of
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_THAN = {"more robust": " than ", "less robust": " than ", "no significant difference": " to "}


def describe_robustness(difference: SlopeDifference, n: int) -> str:
    """Return the test in words: more or less robust, no significant difference, or too few to tell."""
    return describe_too_few(n) if difference.verdict == "too few" else difference.verdict


def summarize(degradation: Degradation) -> Iterator[str]:
    """Yield a sentence per curve: ``tiny.en: WER +6.1 (+4.9 to +7.4) per 10 dB more noise``, and its test."""
    tests = {difference.label: difference for difference in degradation.differences}
    for curve in degradation.curves:
        change = f"{label_of(degradation.metric)} {format_estimate(curve.slope)}"
        text = f"{to_printable(curve.label)}: {change} per {degradation.strength.step_label}"
        if (test := tests.get(curve.label)) is not None:
            p = "" if test.p_holm is None else f", p {format_p_value(test.p_holm)}"
            verdict = describe_robustness(test, degradation.n)
            text += f"{p}, {verdict}{_THAN.get(test.verdict, '')}"
            text += to_printable(test.baseline) if test.verdict in _THAN else ""
        yield text


def build_rows(degradation: Degradation) -> Iterator[dict[str, str]]:
    """Yield one row per curve: the score at every strength, the slope, and its test against the first."""
    tests = {difference.label: difference for difference in degradation.differences}
    for curve in degradation.curves:
        row = {"system": to_printable(curve.label), "metric": label_of(degradation.metric)}
        for point in curve.points:
            strength = point.strength
            column = "clean" if strength is None else f"{degradation.strength.scale * strength:g}"
            row[column] = f"{point.score.value:.2f}"
        row[f"per {degradation.strength.step_label}"] = format_estimate(curve.slope)
        test = tests.get(curve.label)
        row["difference"] = "" if test is None else format_estimate(test.difference)
        row["p"] = "" if test is None else format_p_value(test.p_holm)
        row["verdict"] = "baseline" if test is None else describe_robustness(test, degradation.n)
        yield row


def build_tables(comparison: Comparison) -> list[Table]:
    """Return a section per axis of strengths, with a curve per system and metric."""
    return [
        Table(
            "Robustness",
            _note(comparison, of_axis),
            tuple(row for degradation in of_axis for row in build_rows(degradation)),
            tuple(map(_plot_of, of_axis)),
            protocol="; ".join(f"{label_of(each.metric)} {each.signature}" for each in of_axis),
        )
        for of_axis in _by_axis(comparison.degradations)
    ]


def _plot_of(degradation: Degradation) -> Plot:
    def draw() -> Figure:
        from components.comparison.views.degradation_plots import draw_degradation  # noqa: PLC0415 - matplotlib

        return draw_degradation(degradation)

    name = f"degradation_{degradation.axis.rpartition('.')[2]}_{degradation.metric}"
    return Plot(name, f"{label_of(degradation.metric)} over {degradation.strength.label}", draw)


def _by_axis(degradations: Sequence[Degradation]) -> list[list[Degradation]]:
    axes = dict.fromkeys(degradation.axis for degradation in degradations)
    return [[each for each in degradations if each.axis == axis] for axis in axes]


def _note(comparison: Comparison, degradations: Sequence[Degradation]) -> str:
    first = next((each for each in degradations if each.metric == comparison.ranking), degradations[0])
    text = f"{'. '.join(summarize(first))}. Columns: {first.strength.label}. "
    return text + (
        "Slope of the least-squares line through the scores of perturbed inputs, with 95% intervals over "
        f"{first.n:,} utterances; p of {label_of(first.metric)} ({TEST_LABELS[first.test]}) "
        "after Holm's correction over the systems, "
        "the others were not tested."
    )
