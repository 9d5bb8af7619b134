"""External scores as sentences and tables: how many, how far annotators agree, correlation with metrics."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from components.analysis.comparing.comparison import Comparison
from components.analysis.external_scores import Judgements
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.tables import new_table
from reports.views.sections import Section


def describe_judgements(judgements: Judgements) -> str:
    """``esa: 50 of 1,000 items, 3 annotators, agreement (Krippendorff's alpha) 0.61``."""
    parts = [f"{to_printable(judgements.name)}: {judgements.n:,} of {judgements.n_total:,} items"]
    if judgements.annotators:
        parts.append(f"{judgements.annotators} annotator{'s' * (judgements.annotators > 1)}")
    if judgements.agreement is not None:
        parts.append(f"agreement (Krippendorff's alpha) {judgements.agreement:.2f}")
    return ", ".join(parts)


def build_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """One row per external score and metric: their correlation, item by item."""
    for correlation in comparison.correlations:
        yield {
            "score": to_printable(correlation.name),
            "metric": label_of(correlation.metric),
            "Pearson's r": _format(correlation.pearson),
            "Kendall's tau": _format(correlation.kendall),
            "items": f"{correlation.n:,}",
            "systems": str(correlation.systems),
        }


def _format(estimate: Estimate | None) -> str:
    return "" if estimate is None else format_estimate(estimate, sign=False)


def build_sections(comparison: Comparison) -> list[Section]:
    """The external scores and their correlations, if there are any."""
    if not comparison.judgements:
        return []
    note = "; ".join(map(describe_judgements, comparison.judgements))
    note += ". Correlation with metrics over the outputs of all systems, 95% intervals over items; "
    note += "1 is agreement."
    return [Section("External scores", note, tuple(build_rows(comparison)))]


def print_judgements(comparison: Comparison, console: Console) -> None:
    """Print what is known of external scores, and their correlations with metrics."""
    for judgements in comparison.judgements:
        console.print(Text(describe_judgements(judgements)))
    rows = list(build_rows(comparison))
    if rows:
        first, second, *names = rows[0]
        table = new_table(first, second, *(f">{name}" for name in names))
        for row in rows:
            table.add_row(*map(Text, row.values()))
        console.print(table)
