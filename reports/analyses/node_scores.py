"""Scores of a run beside those of its outputs: of single nodes, of rounds, and others."""

from __future__ import annotations

from components.analysis.formatting import format_estimate
from components.analysis.table import Cell, Table
from components.metrics.table import METRICS, label_of, sort_metrics
from components.run_record import RunRecord, Score


def build_node_scores(run: RunRecord) -> list[Table]:
    """A table with a row per node and a column per metric, and one of the scores that are of no node."""
    rows: dict[str, dict[str, Cell]] = {}
    assigned = set(METRICS)
    for node in run.pipeline.nodes:
        for name in sort_metrics(name for name in METRICS if f"{node.name}_{name}" in run.metrics):
            score = run.metrics[f"{node.name}_{name}"]
            assigned.add(score.name)
            row = rows.setdefault(node.name, {"node": node.name})
            row[label_of(name)] = _describe(score)
    others = [score for score in run.scores if score.name not in assigned and not run.systems]
    further = tuple({"score": score.name, "value": _describe(score)} for score in others)
    sections = [Table("Scores of nodes", "", tuple(rows.values()))] if rows else []
    return [*sections, *([Table("Further scores", "", further)] if further else [])]


def _describe(score: Score) -> str:
    text = format_estimate(score, sign=False, digits=1)
    return text if score.n == score.n_total else f"{text}, {score.n:,} of {score.n_total:,} scored"
