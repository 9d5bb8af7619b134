"""A comparison as tables: scores, differences with p-values, cost, groups of utterances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from components.analysis.cost_table import COST_NOTE, build_cost_table
from components.analysis.formatting import describe_too_few, format_estimate, format_p_value
from components.analysis.table import Cell, Plot, Table, link_to_utterance
from components.comparison.comparison import Comparison
from components.comparison.ranking import sentence_label
from components.comparison.views import degradation_tables, judgement_tables
from components.metrics.choices import TEST_LABELS
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.significance import Difference
from components.metrics.table import METRICS, label_of
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def list_plots(comparison: Comparison) -> tuple[Plot, ...]:
    """Return the plots of scores and costs."""

    def draw(name: str) -> Figure:
        from components.comparison.views import plots  # noqa: PLC0415 - imports matplotlib

        return plots.FIGURES[name](comparison)

    if comparison.ranking is None:
        return ()
    titles = {"quality_cost": "Quality against cost"}
    if comparison.ranked_differences:
        titles["differences"] = "Differences to the baseline"
    return tuple(Plot(name, title, partial(draw, name)) for name, title in titles.items())


def describe_verdict(difference: Difference) -> str:
    """Say how a test ended: better, worse, no significant difference at 0.05 after correction, or too few.

    Without a difference it says what the test could have found.
    """
    if difference.verdict == "too few":
        return describe_too_few(difference.n)
    if difference.verdict != "no significant difference":
        return difference.verdict
    return f"{difference.verdict}{describe_detectable(difference)}"


def describe_detectable(difference: Difference) -> str:
    """Return ``; this test could only detect 1.1 BLEU or more``; empty where that is not known."""
    low, high = difference.interval or (0.0, 0.0)
    if not difference.detectable or low > 0 or high < 0:
        return ""
    seen = f"{difference.detectable:.2g}" if difference.detectable < 10 else f"{difference.detectable:.0f}"
    return f"; this test could only detect {seen} {label_of(difference.metric)} or more"


def describe_family(comparison: Comparison) -> str:
    """Return how p-values were corrected, and what has none."""
    stated = [difference for difference in comparison.differences if difference.family]
    if not stated:
        nothing = "" if comparison.differences else ": the systems have no texts with references in common"
        return f"No comparison was tested{nothing}."
    metrics = " and ".join(dict.fromkeys(label_of(difference.metric) for difference in stated))
    tests = " and ".join(dict.fromkeys(TEST_LABELS[difference.test] for difference in stated))
    text = f"p ({tests}) of the one comparison stated before ({metrics})"
    if len(stated) > 1:
        stated_before = f"{len(stated)} comparisons stated before ({metrics})"
        text = f"p ({tests}) after Holm's correction over the {stated_before}"
    untested = len(stated) < len(comparison.differences)
    text += "; others were not tested: they have an interval, but no verdict." if untested else "."
    return f"{text} It holds for one look at these data; --sequential holds for many."


def _difference_rows(comparison: Comparison) -> dict[tuple[str, str], list[Difference]]:
    """System and metric -> its differences, that to the baseline first."""
    rows: dict[tuple[str, str], list[Difference]] = {}
    for difference in comparison.differences:
        rows.setdefault((difference.system, difference.metric), []).append(difference)
    return rows


def _than(difference: Difference, comparison: Comparison) -> str:
    """Return ``than B `` in front of a verdict where it is not about the baseline."""
    return "" if difference.baseline == comparison.baseline else f"than {to_printable(difference.baseline)}: "


def build_score_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """Yield one row per system and metric: the score, and beside it the difference, its p and the verdict."""
    differences = _difference_rows(comparison)
    for row in comparison.rows:
        for name, score in row.scores.items():
            cells = {
                "system": to_printable(row.system),
                "metric": label_of(name),
                "score": format_estimate(score, sign=False),
            }
            tests = differences.get((row.system, name), [])
            if row.system == comparison.baseline:
                yield cells | {"difference": "", "p": "", "verdict": "baseline"}
            for test in tests:
                yield cells | {
                    "difference": format_estimate(Estimate(value=test.difference, interval=test.interval)),
                    "p": format_p_value(test.p_holm),
                    "verdict": _than(test, comparison) + describe_verdict(test),
                }


def build_cost_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """Yield one row per system: what it cost and left out, and whether none beats it in quality and cost."""
    costs = build_cost_table([row.cost for row in comparison.rows])
    for row, cost in zip(comparison.rows, costs, strict=True):
        yield {
            "system": to_printable(row.system),
            **cost,
            "missing": str(row.missing),
            "Pareto": "yes" if row.pareto else "",
        }


def build_bucket_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """Yield the ranking metric on each group of utterances, one row per group."""
    for bucket in comparison.buckets:
        cells = {"group": bucket.by, "is": to_printable(bucket.label), "utterances": f"{bucket.n:,}"}
        for system in (row.system for row in comparison.rows if row.system in bucket.values):
            cells[to_printable(system)] = f"{bucket.values[system]:.2f}"
            if system in bucket.differences:
                cells[f"Δ {to_printable(system)}"] = format_estimate(bucket.differences[system])
        yield cells


def count_digits(metric: str, changes: Iterable[float]) -> int:
    """Return how many digits changes of a metric need: more where they may be on a scale from 0 to 1."""
    is_percent = metric in METRICS and not METRICS[metric].needs_model
    return 1 if is_percent or max(map(abs, changes), default=0.0) >= 1 else 3


def build_tables(comparison: Comparison) -> list[Table]:
    """Return the comparison as parts of a report: the table, plots, groups, largest differences."""
    differences = comparison.differences
    protocols = dict.fromkeys(f"{label_of(test.metric)} {test.signature}" for test in differences)
    note = describe_family(comparison)
    if comparison.n:
        count = f"{comparison.n:,} of {comparison.n_total:,} utterances"
        note = f"Differences to {to_printable(comparison.baseline)} on {count}. {note}"
    sections = [
        Table(
            "Systems",
            note,
            tuple(build_score_rows(comparison)),
            list_plots(comparison),
            protocol="; ".join(protocols),
        ),
        Table(
            "Cost",
            f"Pareto: no other system is both better and faster. {COST_NOTE}",
            tuple(build_cost_rows(comparison)),
        ),
    ]
    sections += [*degradation_tables.build_tables(comparison), *judgement_tables.build_tables(comparison)]
    groups = tuple(build_bucket_rows(comparison))
    note = "{}, and its difference to the baseline with 95% interval, not corrected for the number of groups."
    sections += [Table("Groups", note.format(label_of(comparison.ranking or "")), groups)] if groups else []
    digits = count_digits(str(comparison.ranking), [contrast.gain for contrast in comparison.contrasts])
    contrasts: tuple[Mapping[str, Cell], ...] = tuple(
        {
            "system": to_printable(contrast.system),
            "utterance": link_to_utterance(contrast.utterance_id),
            f"{sentence_label(comparison.ranking)} gained": f"{contrast.gain:+z.{digits}f}",
        }
        for contrast in comparison.contrasts
    )
    note = "Where a system and the baseline differ most; an id leads to the outputs side by side."
    return [*sections, Table("Largest differences", note, contrasts)] if contrasts else sections
