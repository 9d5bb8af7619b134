"""From measured differences to a verdict, by a rule that was written before the runs.

A comparison *holds* if its 95% interval lies on the expected side of 0 and p < 0.05 after Holm's
correction over the comparisons of the claim ("within a margin": if the interval lies inside the margin).
It is *contradicted* if the interval lies on the other side and p < 0.05 (outside of the margin).
Otherwise it is *not shown*. A claim holds if all its comparisons do; it holds here with limits if some
do; it is contradicted if none holds and one is contradicted; else it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from benchmarks.claims.claim import Claim, Comparison, Verdict
from components.metrics.statistics.null_distributions import correct_holm
from components.records import Record

Decision = Literal["holds", "contradicted", "not shown"]


class Result(Record):
    """A measured comparison: the difference, its 95% interval, two-sided p, and over what it was taken.

    ``detectable`` is the smallest difference that would have been seen (80% power, two-sided 5%). ``over``
    says how many seeds and items there were, and the test, in words.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    detectable: float
    over: str


def decide(comparison: Comparison, result: Result, p: float) -> Decision:
    """Whether one comparison came out as expected; ``p`` is corrected."""
    low, high = result.interval
    if comparison.sign:
        low, high = sorted((comparison.sign * low, comparison.sign * high))
        if p >= 0.05 or low <= 0 <= high:
            return "not shown"
        return "holds" if low > 0 else "contradicted"
    if -comparison.margin < low and high < comparison.margin:
        return "holds"
    return "contradicted" if low > comparison.margin or high < -comparison.margin else "not shown"


def judge(
    claim: Claim, results: Mapping[str, Result]
) -> tuple[Verdict, list[tuple[Comparison, Result, float]]]:
    """The verdict of a claim, and its measured comparisons with corrected p.

    Args:
        claim: as registered.
        results: ``claim.comparison`` -> what was measured.
    """
    keys = {comparison.name: f"{claim.name}.{comparison.name}" for comparison in claim.comparisons}
    measured = [(c, results[keys[c.name]]) for c in claim.comparisons if keys[c.name] in results]
    corrected = correct_holm([result.p for _, result in measured])
    rows = [(c, result, float(p or 0.0)) for (c, result), p in zip(measured, corrected, strict=True)]
    return _verdict_of([decide(*row) for row in rows], len(claim.comparisons)), rows


def _verdict_of(decisions: Sequence[Decision], registered: int) -> Verdict:
    if not decisions:
        return "not measured"
    if all(d == "holds" for d in decisions) and len(decisions) == registered:
        return "holds"
    if "holds" in decisions:
        return "holds here with limits"
    return "contradicted" if "contradicted" in decisions else "not shown"
