"""Claims: the register, the rule of verdicts, and pages that are what the kept outputs say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.claims.__main__ import parser
from benchmarks.claims.claim import Claim, Comparison, read_register
from benchmarks.claims.experiment import EXPERIMENTS, experiment_named
from benchmarks.claims.outputs import Outputs, read_outputs, write_outputs
from benchmarks.claims.page import write_pages
from benchmarks.claims.verdict import Result, decide, judge
from benchmarks.common.manifest import describe_run
from components.records import Utterance

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = [name for name in EXPERIMENTS if read_outputs(name) is not None]


def result(low: float, high: float, p: float) -> Result:
    return Result(difference=(low + high) / 2, interval=(low, high), p=p, detectable=1.0, over="3 seeds")


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
def test_the_decision_of_one_comparison(
    expected: str, low: float, high: float, p: float, decision: str
) -> None:
    comparison = Comparison(name="c", text="a against b", metric="bleu", expected=expected)
    assert decide(comparison, result(low, high, p), p) == decision


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(1, 2), (1, 2)], "holds"),
        ([(1, 2), (-1, 2)], "holds here with limits"),
        ([(1, 2), (-2, -1)], "holds here with limits"),
        ([(-1, 2), (-2, -1)], "contradicted"),
        ([(-1, 2), (-1, 1)], "not shown"),
        ([(1, 2)], "holds here with limits"),  # of two that were registered, one was measured
        ([], "not measured"),
    ],
)
def test_the_verdict_of_a_claim(intervals: list[tuple[float, float]], verdict: str) -> None:
    comparisons = [Comparison(name=n, text=n, metric="bleu", expected="positive") for n in "ab"]
    claim = Claim(name="x", claim="X", sources=("Y",), experiment="seeds", design="", comparisons=comparisons)
    results = {
        f"x.{name}": result(low, high, 0.9 if low < 0 < high else 0.001)
        for name, (low, high) in zip("ab", intervals, strict=False)
    }
    assert judge(claim, results)[0] == verdict


def test_p_is_corrected_over_the_comparisons_of_a_claim() -> None:
    comparisons = [Comparison(name=n, text=n, metric="bleu", expected="positive") for n in "ab"]
    claim = Claim(name="x", claim="X", sources=("Y",), experiment="seeds", design="", comparisons=comparisons)
    verdict, rows = judge(claim, {"x.a": result(0.1, 2, 0.03), "x.b": result(0.1, 2, 0.04)})
    assert [p for *_, p in rows] == [0.06, 0.06]
    assert verdict == "not shown"


def test_the_register_has_a_name_for_everything_once() -> None:
    names = [claim.name for claim in read_register()]
    assert len(set(names)) == len(names) >= 25
    for claim in read_register():
        comparisons = [comparison.name for comparison in claim.comparisons]
        assert len(set(comparisons)) == len(comparisons)


def test_outputs_are_read_as_they_were_written_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    outputs = Outputs(describe_run("python -m benchmarks.claims run seeds"))
    utterances = [
        Utterance(id=str(n), text="a", source_language="en", target_language="de", references=("ein Hund",))
        for n in range(3)
    ]
    texts = {"0": "ein Hund", "1": "ein Haus", "2": ""}
    outputs.add_translations("set", utterances, "system", 1, texts)
    outputs.measurements["numbers"] = [1.5, None]
    with pytest.raises(ValueError, match="1 of 3 have no output"):
        outputs.add_translations("set", utterances, "other", 1, {"0": "a", "1": "b"})
    write_outputs("a_name", outputs, tmp_path)
    written = (tmp_path / "a-name.jsonl.gz").read_bytes()
    write_outputs("a_name", outputs, tmp_path)
    assert (tmp_path / "a-name.jsonl.gz").read_bytes() == written
    restored = read_outputs("a_name", tmp_path)
    assert restored == outputs
    statistics = outputs.statistics("set", "system", 1, "chrf")
    assert restored.statistics("set", "system", 1, "chrf").score() == statistics.score() > 0


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Mapping[str, Result]]]:
    """What every experiment gives for its kept outputs; computed once, also for the pages."""
    values: dict[str, Mapping[str, Result]] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in MEASURED:
            outputs = read_outputs(name)
            assert outputs is not None
            values[name] = experiment_named(name).results(outputs)
            patch.setattr(experiment_named(name), "results", lambda _, value=values[name]: value)
        yield values


def test_results_are_registered_comparisons(results: dict[str, Mapping[str, Result]]) -> None:
    registered = {f"{claim.name}.{c.name}" for claim in read_register() for c in claim.comparisons}
    for name, values in results.items():
        assert set(values) <= registered, name


@pytest.mark.usefixtures("results")
def test_pages_are_what_the_kept_outputs_say(tmp_path: Path) -> None:
    for page in write_pages(tmp_path):
        committed = DOCS / page.relative_to(tmp_path)
        assert committed.read_bytes() == page.read_bytes(), f"{committed}: run make pages"


@pytest.mark.parametrize("name", MEASURED)
def test_the_command_of_a_page_can_be_given(name: str) -> None:
    outputs = read_outputs(name)
    assert outputs is not None
    command = shlex.split(outputs.manifest.command)
    assert command[:3] == ["python", "-m", "benchmarks.claims"]
    assert parser().parse_args(command[3:]).names == [name]
