"""External scores as sentences and tables: how many, how far annotators agree, correlation with metrics."""

from __future__ import annotations

from collections.abc import Iterator

from components.analysis.formatting import format_estimate
from components.analysis.table import Table
from components.comparison.comparison import Comparison
from components.comparison.external.external_scores import Judgements
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.table import label_of
from components.text.escaping import to_printable


def describe_judgements(judgements: Judgements) -> str:
    """Return ``esa: 50 of 1,000 items, 3 annotators, agreement (Krippendorff's alpha) 0.61``."""
    parts = [f"{to_printable(judgements.name)}: {judgements.n:,} of {judgements.n_total:,} items"]
    if judgements.annotators:
        parts.append(f"{judgements.annotators} annotator{'s' * (judgements.annotators > 1)}")
    if judgements.agreement is not None:
        parts.append(f"agreement (Krippendorff's alpha) {judgements.agreement:.2f}")
    return ", ".join(parts)


def build_rows(comparison: Comparison) -> Iterator[dict[str, str]]:
    """Yield one row per external score and metric: their correlation, item by item."""
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


def build_tables(comparison: Comparison) -> list[Table]:
    """Return the external scores and their correlations, if there are any."""
    if not comparison.judgements:
        return []
    note = "; ".join(map(describe_judgements, comparison.judgements))
    note += ". Correlation with metrics over the outputs of all systems, 95% intervals over items; "
    note += "1 is agreement."
    return [Table("External scores", note, tuple(build_rows(comparison)))]
