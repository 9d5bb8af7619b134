"""`antiphon edit --lessons`: the files that a run with corrections gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.editing.correction import Correction
from components.editing.corrections_stage import KIND, store_corrections
from components.run_record import NodeRecord, PipelineRecord
from components.storage.store import Store
from tests.command import exit_code_of
from tests.components.export.example_run import new_store, write_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run of a cascade, and the same with two corrected translations."""
    store = new_store(tmp_path)
    run = write_run(store)
    lineage = {"node": "mt", "by": "ann", "at": "2026-01-01T00:00:00+00:00", "file": "mt.tsv"}
    texts = {"talk@10": "Der Schluss.", "other": "Ja."}
    ref = store_corrections(
        store, "mt", [Correction(id=key, text=text, **lineage) for key, text in texts.items()], None
    )
    node = NodeRecord(name=ref.stage, kind=KIND, output="table")
    graph = PipelineRecord(nodes=(*run.pipeline.nodes, node), outputs=run.pipeline.outputs)
    changes = {"name": "corrected", "stages": (*run.stages, ref), "pipeline": graph}
    store.save_run(run.model_copy(update=changes))
    return store


def learn(store: Store, *arguments: str) -> int:
    return exit_code_of("edit", *arguments, "--store", str(store.root))


def test_corrections_become_pairs_examples_terms_and_calibration(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lessons"
    assert learn(store, "corrected", "--lessons", str(folder), "--min-count", "1", "--json") == 0
    output = capsys.readouterr()
    names = ["pairs.jsonl", "transcripts.jsonl", "examples.jsonl", "terms.tsv", "calibration.jsonl"]
    *files, line = output.out.splitlines()
    assert files == [str(folder / name) for name in names]
    counts = {"corrected": 2, "approved": 0, "terms": 1}
    assert json.loads(line) == {"run": "corrected", "files": files, **counts}
    assert output.err.startswith("2 corrected and 0 approved texts, ")
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(pair["text"], pair["references"]) for pair in pairs] == [
        ("The end.", ["Der Schluss."]),
        ("Yes.", ["Ja."]),
    ]
    header, *terms = (folder / "terms.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "count\tbefore\tafter\tnode\tids"
    assert "1\tDas Ende\tDer Schluss\tmt\ttalk@10" in terms
    assert len((folder / "calibration.jsonl").read_text().splitlines()) == 2


def test_a_run_that_nobody_corrected_is_one_line(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn(store, "run", "--lessons", str(tmp_path / "lessons")) == 2
    assert "run run: expected a run with corrections or a review, found none" in capsys.readouterr().err
    assert not (tmp_path / "lessons").exists()
