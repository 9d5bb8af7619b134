"""Claims: the register, and pages that are what the kept outputs say."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path

import pytest

from benchmarks.claims.__main__ import parser
from benchmarks.claims.claim import read_register
from benchmarks.claims.evidence import tier_of, verdicts
from benchmarks.claims.experiment import EXPERIMENTS, all_results, results_by_comparison
from benchmarks.claims.outputs import Outputs, outputs_file, read_outputs, write_outputs
from benchmarks.claims.page import write_pages
from benchmarks.common.manifest import OUTPUTS, describe_run
from benchmarks.common.paths import RESULTS
from benchmarks.pages.index import render_index
from components.records import Utterance

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = [name for name in EXPERIMENTS if outputs_file(name).exists()]


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


def test_results_are_registered_comparisons() -> None:
    registered = {f"{claim.name}.{c.name}" for claim in read_register() for c in claim.comparisons()}
    for name, values in all_results(OUTPUTS).items():
        assert set(values) <= registered, name


def test_pages_are_what_the_kept_outputs_say(tmp_path: Path) -> None:
    for page in write_pages(tmp_path):
        committed = DOCS / page.relative_to(tmp_path)
        assert committed.read_bytes() == page.read_bytes(), f"{committed}: run make pages"


def test_the_list_of_results_is_what_the_outputs_say() -> None:
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == render_index(), "run `make pages`"


def test_the_readme_tells_tier_1_as_it_was_measured() -> None:
    rows = [
        line for line in (DOCS.parent / "README.md").read_text("utf-8").splitlines() if "| holds: " in line
    ]
    first = [
        verdict.rows[0].measured
        for claim, verdict in verdicts(results_by_comparison(OUTPUTS))
        if tier_of(claim, verdict) == 1
    ]
    assert len(rows) == len(first)
    for row, measured in zip(rows, first, strict=True):
        assert measured
        primary = next(iter(measured.by_metric.values()))
        low, high = primary.interval
        assert f"{primary.difference:+.3f} nats a token ({low:.3f} to {high:.3f})" in row


@pytest.mark.parametrize("name", MEASURED)
def test_the_command_of_a_page_can_be_given(name: str) -> None:
    with gzip.open(outputs_file(name), "rt", encoding="utf-8") as file:
        command = shlex.split(json.loads(file.readline())["manifest"]["command"])
    assert command[:3] == ["python", "-m", "benchmarks.claims"]
    assert parser().parse_args(command[3:]).names == [name]
