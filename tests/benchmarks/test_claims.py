"""Claims: the register, and pages that are what the kept outputs say."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.claims.__main__ import parser
from benchmarks.claims.claim import read_register
from benchmarks.claims.experiment import EXPERIMENTS, experiment_named
from benchmarks.claims.outputs import Outputs, read_outputs, write_outputs
from benchmarks.claims.page import write_pages
from benchmarks.common.manifest import describe_run
from components.claims.verdict import Measured
from components.records import Utterance

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = [name for name in EXPERIMENTS if read_outputs(name) is not None]


def test_the_register_has_a_name_for_everything_once() -> None:
    names = [claim.name for claim in read_register()]
    assert len(set(names)) == len(names) >= 25
    for claim in read_register():
        comparisons = [comparison.name for comparison in claim.comparisons()]
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
def results() -> Iterator[dict[str, Mapping[str, Measured]]]:
    """What every experiment gives for its kept outputs; computed once, also for the pages."""
    values: dict[str, Mapping[str, Measured]] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in MEASURED:
            outputs = read_outputs(name)
            assert outputs is not None
            values[name] = experiment_named(name).results(outputs)
            patch.setattr(experiment_named(name), "results", lambda _, value=values[name]: value)
        yield values


def test_results_are_registered_comparisons(results: dict[str, Mapping[str, Measured]]) -> None:
    registered = {f"{claim.name}.{c.name}" for claim in read_register() for c in claim.comparisons()}
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
