"""From measured differences to a verdict: the answer to the claim's own sentence, by a rule.

A comparison *holds* by a metric if its 95% interval lies on the expected side of 0 and p < 0.05 ("within a
margin": if the interval lies inside the margin). It is *contradicted* if the interval lies on the other side
and p < 0.05 (outside of the margin). Otherwise it is *not shown*. Where its metrics decide differently, it
*depends on the metric*; where a choice lies at the edge of its grid, it *cannot answer*.

The primary comparison decides the claim. The others that the sentence needs have p corrected by Holm; where
one comes out otherwise, the verdict is *mixed*, and says what holds and what does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.claims.claim import Claim, Comparison
from components.metrics.statistics.null_distributions import correct_holm
from components.records import Record

Decision = Literal[
    "holds", "contradicted", "not shown", "depends on the metric", "cannot answer", "not measured"
]
Word = Decision | Literal["mixed"]


class Result(Record):
    """A difference by one metric: its 95% interval, two-sided p, and over what it was taken.

    ``detectable`` is the smallest difference that would have been seen (80% power, two-sided 5%). ``over``
    says how many seeds and items there were, and the test, in words.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    detectable: float
    over: str
    seeds: int = Field(1, description="independent trainings, or whatever else was replicated")


class Measured(Record):
    """A measured comparison: by metric, and why its choices answer nothing, if so."""

    by_metric: Mapping[str, Result]
    refused: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """Replicates of the metric that has the fewest."""
        return min((result.seeds for result in self.by_metric.values()), default=0)


class Row(Record):
    """A comparison as it came out; ``p`` by metric, corrected."""

    comparison: Comparison
    measured: Measured | None
    p: Mapping[str, float]
    decision: Decision
    role: Literal["primary", "part", "context"]


class Verdict(Record):
    """The answer to a claim: ``text`` is ``word``, with what it is mixed of or why it answers nothing."""

    word: Word
    text: str
    rows: tuple[Row, ...]


def judge(claim: Claim, results: Mapping[str, Measured]) -> Verdict:
    """Return the verdict of a claim.

    Args:
        claim: as registered.
        results: ``claim.comparison`` -> what was measured.
    """
    own = {c.name: results.get(f"{claim.name}.{c.name}") for c in claim.comparisons()}
    primary = _rows_of([claim.primary] if claim.primary else [], own, "primary")
    parts = _rows_of(claim.parts, own, "part")
    rows = (*primary, *parts, *_rows_of(claim.context, own, "context"))
    return _verdict_of(claim, primary, parts, rows)


def _rows_of(
    comparisons: Sequence[Comparison],
    own: Mapping[str, Measured | None],
    role: Literal["primary", "part", "context"],
) -> list[Row]:
    """Return the decided comparisons of one role; p is corrected over them, metric by metric."""
    metrics = dict.fromkeys(metric for c in comparisons for metric in (*c.metrics, *c.signs))
    p_of: dict[tuple[str, str], float] = {}
    for metric in metrics:
        found = [
            (c.name, measured.by_metric[metric].p)
            for c in comparisons
            if (measured := own[c.name]) and metric in measured.by_metric
        ]
        corrected = correct_holm([p for _, p in found])
        p_of |= {(name, metric): float(p or 0.0) for (name, _), p in zip(found, corrected, strict=True)}
    rows = []
    for c in comparisons:
        p = {metric: p_of[c.name, metric] for metric in metrics if (c.name, metric) in p_of}
        measured = own[c.name]
        rows.append(Row(comparison=c, measured=measured, p=p, decision=decide(c, measured, p), role=role))
    return rows


def decide(comparison: Comparison, measured: Measured | None, p: Mapping[str, float]) -> Decision:
    """Return whether one comparison came out as expected by all its metrics; ``p`` is corrected."""
    needed = (*comparison.metrics, *comparison.signs)
    if measured is not None and measured.refused:
        return "cannot answer"
    if measured is None or any(metric not in measured.by_metric for metric in needed):
        return "not measured"
    decisions = {decide_by(comparison, m, measured.by_metric[m], p[m]) for m in comparison.metrics}
    if len(decisions) > 1:
        return "depends on the metric"
    (decision,) = decisions
    if decision == "not shown":
        return decision
    sides = {
        metric: (comparison.sign(metric) or 1) * measured.by_metric[metric].difference > 0
        for metric in needed
    }
    agree = all(sides[metric] == sides[comparison.metrics[0]] for metric in comparison.signs)
    return decision if agree else "depends on the metric"


def decide_by(
    comparison: Comparison, metric: str, result: Result, p: float
) -> Literal["holds", "contradicted", "not shown"]:
    """Return whether a comparison came out as expected by one metric."""
    low, high = result.interval
    if sign := comparison.sign(metric):
        low, high = sorted((sign * low, sign * high))
        if p >= 0.05 or low <= 0 <= high:
            return "not shown"
        return "holds" if low > 0 else "contradicted"
    margin = comparison.margin(metric)
    if -margin < low and high < margin:
        return "holds"
    return "contradicted" if low > margin or high < -margin else "not shown"


def _verdict_of(claim: Claim, primary: Sequence[Row], parts: Sequence[Row], rows: tuple[Row, ...]) -> Verdict:
    first = primary[0] if primary else None
    if first is None or first.decision == "not measured":
        return Verdict(word="not measured", text="not measured", rows=rows)
    if first.decision == "cannot answer":
        assert first.measured
        reasons = "; ".join(first.measured.refused)
        return Verdict(word="cannot answer", text=f"cannot answer ({reasons})", rows=rows)
    decided = [first, *(row for row in parts if row.decision != "not measured")]
    if {row.decision for row in decided} == {first.decision}:
        return Verdict(word=first.decision, text=first.decision, rows=rows)
    pieces = [f"{label_of(claim, row.comparison)} {row.decision}" for row in decided]
    return Verdict(word="mixed", text=f"mixed: {', '.join(pieces)}", rows=rows)


def label_of(claim: Claim, comparison: Comparison) -> str:
    """Return a comparison in a few words."""
    return (
        comparison.short
        or comparison.domain
        or (claim.domain if comparison == claim.primary else comparison.name.replace("_", " "))
    )
