"""Degradation as tables and sentences: score at every strength, slopes with intervals, tests between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.analysis.comparing.comparison import Comparison
from components.analysis.comparing.degradation import Degradation, SlopeDifference
from components.metrics.choices import TEST_LABELS
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.formatting import format_p_value
from reports.terminal.run_printing import describe_too_few
from reports.terminal.tables import new_table
from reports.views.sections import Section

_THAN = {"more robust": " than ", "less robust": " than ", "not told apart": " from "}


def describe_robustness(difference: SlopeDifference, n: int) -> str:
    """The test in words: more or less robust, not told apart, or too few to tell."""
    return describe_too_few(n) if difference.verdict == "too few" else difference.verdict


def summarize(degradation: Degradation) -> Iterator[str]:
    """A sentence per curve: ``tiny.en: WER +6.1 (+4.9 to +7.4) per 10 dB more noise``, and its test."""
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
    """One row per curve: the score at every strength, the slope, and its test against the first."""
    tests = {difference.label: difference for difference in degradation.differences}
    for curve in degradation.curves:
        row = {"system": to_printable(curve.label), "metric": label_of(degradation.metric)}
        for point in curve.points:
            row[_name_strength(degradation, point.strength)] = f"{point.score.value:.2f}"
        row[f"per {degradation.strength.step_label}"] = format_estimate(curve.slope)
        test = tests.get(curve.label)
        row["difference"] = "" if test is None else format_estimate(test.difference)
        row["p"] = "" if test is None else format_p_value(test.p_holm)
        row["verdict"] = "baseline" if test is None else describe_robustness(test, degradation.n)
        yield row


def _name_strength(degradation: Degradation, strength: float | None) -> str:
    return "clean" if strength is None else f"{degradation.strength.scale * strength:g}"


def build_sections(comparison: Comparison) -> list[Section]:
    """A section per axis of strengths, with a curve per system and metric."""
    from reports.plots.degradation_plots import draw_degradations  # noqa: PLC0415 - imports matplotlib
    from reports.plots.figures import to_data_uri  # noqa: PLC0415 - imports matplotlib

    return [
        Section(
            "Robustness",
            _note(comparison, of_axis),
            tuple(row for degradation in of_axis for row in build_rows(degradation)),
            tuple((title, to_data_uri(figure)) for _, title, figure in draw_degradations(of_axis)),
            protocol="; ".join(f"{label_of(each.metric)} {each.signature}" for each in of_axis),
        )
        for of_axis in _by_axis(comparison.degradations)
    ]


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
        "the others are exploratory."
    )


def print_degradations(comparison: Comparison, console: Console) -> None:
    """Print the scores over strengths and the slopes."""
    for of_axis in _by_axis(comparison.degradations):
        strengths = dict.fromkeys(
            _name_strength(of_axis[0], point.strength)
            for curve in of_axis[0].curves
            for point in curve.points
        )
        step = f"per {of_axis[0].strength.step_label}"
        table = new_table(
            of_axis[0].strength.label, "", *(f">{name}" for name in strengths), f">{step}", ">p", ""
        )
        for row in (row for degradation in of_axis for row in build_rows(degradation)):
            cells = (row["system"], row["metric"], *(row.get(name, "") for name in strengths))
            table.add_row(*map(Text, (*cells, row[step], row["p"], row["verdict"])))
        console.print(table)
