"""A comparison as tables and sections: scores, differences with p-values, cost, groups of utterances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from components.analysis.comparing.comparison import Comparison
from components.metrics.choices import TEST_LABELS
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.significance import Difference
from components.metrics.table import label_of
from reports.analyses import degradation_report, judgement_report
from reports.analyses.attribution_report import format_estimate
from reports.costs import COST_NOTE, build_cost_table
from reports.escaping import to_printable
from reports.formatting import format_p_value
from reports.terminal.run_printing import describe_too_few, format_interval
from reports.terminal.tables import new_table
from reports.views.sections import Cell, Section, link_to_utterance


def describe_verdict(difference: Difference) -> str:
    """The test in words: better, worse, or not told apart at 0.05 after correction; or too few to tell.

    Without a difference it says what the test can find: ``not told apart; this test finds 1.1 BLEU or more``.
    """
    if difference.verdict == "too few":
        return describe_too_few(difference.n)
    low, high = difference.interval or (0.0, 0.0)
    if not difference.detectable or difference.verdict in ("better", "worse") or low > 0 or high < 0:
        return difference.verdict
    seen = f"{difference.detectable:.2g}" if difference.detectable < 10 else f"{difference.detectable:.0f}"
    return f"{difference.verdict}; this test finds {seen} {label_of(difference.metric)} or more"


def describe_family(comparison: Comparison) -> str:
    """How p-values were corrected, and what has none."""
    stated = [difference for difference in comparison.differences if difference.family]
    if not stated:
        return "No comparison was tested."
    metrics = " and ".join(dict.fromkeys(label_of(difference.metric) for difference in stated))
    tests = " and ".join(dict.fromkeys(TEST_LABELS[difference.test] for difference in stated))
    text = f"p ({tests}) of the one comparison stated before ({metrics})"
    if len(stated) > 1:
        stated_before = f"{len(stated)} comparisons stated before ({metrics})"
        text = f"p ({tests}) after Holm's correction over the {stated_before}"
    exploratory = len(stated) < len(comparison.differences)
    return text + ("; others are exploratory: they have an interval, but no verdict." if exploratory else ".")


def _difference_rows(comparison: Comparison) -> dict[tuple[str, str], list[Difference]]:
    """System and metric -> its differences, that to the baseline first."""
    rows: dict[tuple[str, str], list[Difference]] = {}
    for difference in comparison.differences:
        rows.setdefault((difference.system, difference.metric), []).append(difference)
    return rows


def _than(difference: Difference, comparison: Comparison) -> str:
    """``than B `` in front of a verdict where it is not about the baseline."""
    return "" if difference.baseline == comparison.baseline else f"than {to_printable(difference.baseline)}: "


def summarize(difference: Difference) -> str:
    """One system's test: ``tiny: BLEU -0.40 (-1.22 to +0.43), p 0.310, not told apart``."""
    p = "" if difference.p_holm is None else f", p {format_p_value(difference.p_holm)}"
    change = f"{label_of(difference.metric)} {_change(difference)}{p}"
    return f"{to_printable(difference.system)}: {change}, {describe_verdict(difference)}"


def _change(difference: Difference) -> str:
    return format_estimate(Estimate(value=difference.difference, interval=difference.interval))


def build_score_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """One row per system and metric: the score, and beside it the difference, its p and the verdict."""
    differences = _difference_rows(comparison)
    for row in comparison.rows:
        for name, score in row.scores.items():
            cells = {
                "system": to_printable(row.system),
                "metric": label_of(name),
                "score": format_estimate(Estimate(value=score.value, interval=score.interval), sign=False),
            }
            tests = differences.get((row.system, name), [])
            if row.system == comparison.baseline:
                yield cells | {"difference": "", "p": "", "verdict": "baseline"}
            for test in tests:
                yield cells | {
                    "difference": _change(test),
                    "p": format_p_value(test.p_holm),
                    "verdict": _than(test, comparison) + describe_verdict(test),
                }


def build_cost_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """One row per system: what it cost and left out, and whether none beats it in quality and cost."""
    costs = build_cost_table([row.cost for row in comparison.rows])
    for row, cost in zip(comparison.rows, costs, strict=True):
        yield {
            "system": to_printable(row.system),
            **cost,
            "missing": str(row.missing),
            "Pareto": "yes" if row.pareto else "",
        }


def build_bucket_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """The ranking metric on each group of utterances, one row per group."""
    for bucket in comparison.buckets:
        cells = {"group": bucket.by, "": to_printable(bucket.label), "utterances": str(bucket.n)}
        for system, value in bucket.values.items():
            cells[to_printable(system)] = f"{value:.2f}"
            if system in bucket.differences:
                cells[f"Δ {to_printable(system)}"] = format_estimate(bucket.differences[system])
        yield cells


def build_sections(comparison: Comparison) -> list[Section]:
    """The comparison as parts of a report: the table, plots, groups, largest differences."""
    from reports.plots.comparison_plots import draw_pictures  # noqa: PLC0415 - imports matplotlib

    differences = comparison.differences
    protocols = dict.fromkeys(f"{label_of(test.metric)} {test.signature}" for test in differences)
    ranked = [
        summarize(test)
        for test in differences
        if (test.metric, test.baseline) == (comparison.ranking, comparison.baseline)
    ]
    note = f"{'. '.join(ranked)}. Differences to {to_printable(comparison.baseline)} on {comparison.n:,} of "
    note += f"{comparison.n_total:,} utterances. {describe_family(comparison)}"
    sections = [
        Section(
            "Systems",
            note,
            tuple(build_score_rows(comparison)),
            draw_pictures(comparison),
            protocol="; ".join(protocols),
        ),
        Section(
            "Cost",
            f"Pareto: no other system is both better and faster. {COST_NOTE}",
            tuple(build_cost_rows(comparison)),
        ),
    ]
    sections += [*degradation_report.build_sections(comparison), *judgement_report.build_sections(comparison)]
    groups = tuple(build_bucket_rows(comparison))
    note = "Difference to the baseline with its 95% interval, not corrected for the number of groups."
    sections += [Section("Groups", note, groups)] if groups else []
    contrasts: tuple[Mapping[str, Cell], ...] = tuple(
        {
            "system": to_printable(contrast.system),
            "utterance": link_to_utterance(contrast.utterance_id),
            "change": f"{contrast.gain:+.1f}",
        }
        for contrast in comparison.contrasts
    )
    note = "Where a system and the baseline differ most; an id leads to the outputs side by side."
    return [*sections, Section("Largest differences", note, contrasts)] if contrasts else sections


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print scores, tests against the baseline, cost, and groups whose difference excludes zero."""
    scores = new_table(
        "system", "metric", ">value", ">95% interval", ">scored", ">difference", ">95% interval", ">p", ""
    )
    differences = _difference_rows(comparison)
    for row in comparison.rows:
        for number, (name, score) in enumerate(row.scores.items()):
            cells: list[str | Text] = [
                Text(to_printable(row.system) if number == 0 else "", "bold"),
                label_of(name),
                f"{score.value:.2f}",
                format_interval(score),
                f"{score.n:,} of {score.n_total:,}",
            ]
            if row.system == comparison.baseline:
                scores.add_row(*cells, "", "", "", "baseline")
                cells = [""] * len(cells)
            for test in differences.get((row.system, name), []):
                scores.add_row(*cells, *_test_cells(test, comparison))
                cells = [""] * len(cells)
    console.print(scores)
    cost_cells = build_cost_table([row.cost for row in comparison.rows])
    costs = new_table("system", *(f">{name}" for name in cost_cells[0]), ">missing", "")
    for row, cost in zip(comparison.rows, cost_cells, strict=True):
        mark = "none beats it in both" if row.pareto else ""
        costs.add_row(Text(to_printable(row.system), "bold"), *cost.values(), str(row.missing), mark)
    console.print(costs)
    degradation_report.print_degradations(comparison, console)
    judgement_report.print_judgements(comparison, console)
    _print_buckets(comparison, console)
    _print_contrasts(comparison, console)
    for signature in dict.fromkeys(difference.signature for difference in comparison.differences):
        console.print(Text(to_printable(signature), "dim"))
    console.print(Text(f"{describe_family(comparison)} Groups are not corrected.", "dim"))
    for note in comparison.notes:
        console.print(Text(to_printable(note), "yellow"))


def _test_cells(difference: Difference, comparison: Comparison) -> tuple[str, str, str, str]:
    ends = "" if difference.interval is None else "{:+.2f} to {:+.2f}".format(*difference.interval)
    return (
        f"{difference.difference:+.2f}",
        ends,
        format_p_value(difference.p_holm),
        _than(difference, comparison) + describe_verdict(difference),
    )


def _print_buckets(comparison: Comparison, console: Console) -> None:
    rows = new_table(
        "group",
        "",
        ">utterances",
        "system",
        f">Δ {label_of(comparison.ranking or '')}",
        ">95% interval",
    )
    for bucket in comparison.buckets:
        for system, difference in bucket.differences.items():
            low, high = difference.interval or (0.0, 0.0)
            if low > 0 or high < 0:
                cells = (bucket.by, to_printable(bucket.label), f"{bucket.n:,}", to_printable(system))
                rows.add_row(*map(Text, cells), f"{difference.value:+.2f}", f"{low:+.2f} to {high:+.2f}")
    if rows.row_count:
        console.print(rows)


def _print_contrasts(comparison: Comparison, console: Console) -> None:
    """Print per system the utterances of largest gain and of largest loss."""
    most = new_table("system", ">change", "utterance: antiphon inspect COMPARISON --utterance ID")
    ends = {
        (contrast.system, contrast.gain > 0): contrast for contrast in reversed(comparison.contrasts)
    }  # the first of each
    for contrast in reversed(ends.values()):
        most.add_row(
            Text(to_printable(contrast.system)),
            f"{contrast.gain:+.1f}",
            Text(to_printable(contrast.utterance_id)),
        )
    if most.row_count:
        console.print(most)
