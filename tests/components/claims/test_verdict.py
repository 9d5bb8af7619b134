"""The rule of verdicts, on results that are written down."""

from __future__ import annotations

import pytest

from components.claims.claim import Claim, Comparison
from components.claims.selection import best_on_dev, choose_on_grid, refuse_edges
from components.claims.verdict import Measured, Result, decide, judge
from components.errors import DataError

METRICS = ("bleu", "chrf")
Interval = tuple[float, float]


def result(low: float, high: float, p: float | None = None) -> Result:
    if p is None:
        p = 0.9 if low <= 0 <= high else 0.001
    return Result(
        difference=(low + high) / 2, interval=(low, high), p=p, detectable=1.0, over="3 seeds", seeds=3
    )


def compare(name: str = "a", metrics: tuple[str, ...] = METRICS, **fields: object) -> Comparison:
    values = {"name": name, "text": name, "metrics": metrics, "expected": "positive", **fields}
    return Comparison.model_validate(values)


def decide_alone(comparison: Comparison, **intervals: Interval) -> str:
    measured = Measured(by_metric={metric: result(*interval) for metric, interval in intervals.items()})
    return decide(comparison, measured, {m: r.p for m, r in measured.by_metric.items()})


@pytest.mark.parametrize(
    ("expected", "low", "high", "p", "decision"),
    [
        ("positive", 0.2, 1.0, 0.01, "holds"),
        ("positive", 0.2, 1.0, 0.06, "not shown"),  # after correction
        ("positive", -0.1, 1.0, 0.04, "not shown"),
        ("positive", -1.0, -0.2, 0.01, "contradicted"),
        ("negative", -1.0, -0.2, 0.01, "holds"),
        ("negative", 0.2, 1.0, 0.01, "contradicted"),
        ("within 0.3", -0.2, 0.25, 0.9, "holds"),
        ("within 0.3", 0.1, 0.29, 0.001, "holds"),  # a difference, but a small one
        ("within 0.3", -0.2, 0.4, 0.5, "not shown"),
        ("within 0.3", 0.31, 0.9, 0.001, "contradicted"),
    ],
)
def test_the_decision_by_one_metric(expected: str, low: float, high: float, p: float, decision: str) -> None:
    comparison = compare(metrics=("bleu",), expected=expected)
    measured = Measured(by_metric={"bleu": result(low, high, p)})
    assert decide(comparison, measured, {"bleu": p}) == decision


def test_metrics_have_to_agree() -> None:
    both = compare()
    assert decide_alone(both, bleu=(1, 2), chrf=(1, 2)) == "holds"
    assert decide_alone(both, bleu=(1, 2), chrf=(-1, 2)) == "depends on the metric"
    assert decide_alone(both, bleu=(-2, -1), chrf=(1, 2)) == "depends on the metric"  # F5: reranking
    assert decide_alone(both, bleu=(-1, 2), chrf=(-2, 1)) == "not shown"
    assert decide_alone(both, bleu=(1, 2)) == "not measured"
    coarse = compare(metrics=("nats",), signs=("bleu",))
    assert decide_alone(coarse, nats=(0.1, 0.2), bleu=(-1, 2)) == "holds"
    assert decide_alone(coarse, nats=(0.1, 0.2), bleu=(-3, 1)) == "depends on the metric"
    assert decide_alone(coarse, nats=(-0.1, 0.2), bleu=(-3, 1)) == "not shown"


def judge_all(*decided: tuple[float, float] | None, refused: tuple[str, ...] = ()) -> str:
    """The verdict of a claim of a primary comparison, a part and context with these intervals."""
    primary, part, context = (compare(name, short=f"{name}!") for name in "abc")
    claim = Claim(
        name="x",
        claim="X",
        sources=("Y",),
        experiment="e",
        design="",
        primary=primary,
        parts=(part,),
        context=(context,),
    )
    results = {
        f"x.{name}": Measured(
            by_metric={m: result(*interval) for m in METRICS}, refused=refused if name == "a" else ()
        )
        for name, interval in zip("abc", decided, strict=False)
        if interval
    }
    return judge(claim, results).text


def test_the_primary_comparison_decides_and_a_part_that_differs_is_named() -> None:
    yes, no, null = (1, 2), (-2, -1), (-1, 1)
    assert judge_all(yes, yes, no) == "holds"  # context decides nothing
    assert judge_all(yes, no, yes) == "mixed: a! holds, b! contradicted"
    assert judge_all(null, yes) == "mixed: a! not shown, b! holds"
    assert judge_all(no, no) == "contradicted"
    assert judge_all(null, None, yes) == "not shown"  # F2: a null stays one beside a control that holds
    assert judge_all(None, yes) == "not measured"
    assert judge_all(yes, yes, refused=("scale 0.2 is an edge",)) == "cannot answer (scale 0.2 is an edge)"


def test_p_of_parts_is_corrected_and_that_of_the_primary_is_not() -> None:
    names = "abc"
    primary, *parts = (compare(name, metrics=("bleu",)) for name in names)
    claim = Claim(
        name="x", claim="X", sources=(), experiment="e", design="", primary=primary, parts=tuple(parts)
    )
    measured = {f"x.{name}": Measured(by_metric={"bleu": result(0.1, 2, 0.03)}) for name in names}
    rows = judge(claim, measured).rows
    assert [row.p["bleu"] for row in rows] == [0.03, 0.06, 0.06]
    assert [row.decision for row in rows] == ["holds", "not shown", "not shown"]


def test_a_choice_at_the_edge_of_its_grid_is_refused() -> None:
    curve = [[0.2, 20.3], [0.3, 7.8], [0.4, 1.4]]
    assert choose_on_grid(curve) == 0.2
    assert refuse_edges({"scale": curve}) == ("scale: 0.2 is the lowest of 3 values tried",)
    with_zero = [[0.0, 26.2], *curve]
    assert refuse_edges({"scale": with_zero}) == ("scale: 0 is the lowest of 4 values tried",)
    assert refuse_edges({"scale": with_zero}, natural=(0.0,)) == ()
    assert refuse_edges({"scale": [(1, 0), (2, 1), (3, 0)]}) == ()


def test_the_best_on_dev_is_the_first_of_equals() -> None:
    assert best_on_dev({"a": 1.0, "b": 2.0, "c": 2.0}) == "b"
    assert best_on_dev({"a": 1.0, "b": 2.0}, higher_is_better=False) == "a"
    with pytest.raises(DataError, match="found none"):
        best_on_dev({})
