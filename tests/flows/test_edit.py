"""Corrections by hand through the command line: a recognizer that mishears is put right, twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.editing.correction import read_stored_corrections
from components.storage.store import Store
from flows.cli.files.edit import check_data_of
from tests.command import exit_code_of, run_command
from tests.components.storage.written import lines_at
from tests.flows.test_blame import antiphon  # noqa: F401 - a fixture
from tests.flows.test_cascade import calls  # noqa: F401 - a fixture that every test uses

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("calls"), pytest.mark.usefixtures("server")]
Call = Callable[..., Any]


@pytest.fixture
def plain(antiphon: Call) -> Call:  # noqa: F811
    """The command, and a run `plain` in its store."""
    antiphon("run", "cascade", "--data", "sample", "--limit", "4", "--name", "plain")
    return antiphon


def write(antiphon: Call, run: str, node: str, path: Path, store: Path) -> str:  # noqa: F811
    exit_code_of("export", run, "--node", node, "--for-edit", "--out", str(path), "--store", str(store))
    return path.read_text()


def best_of(stages: dict[str, Any], node: str) -> dict[str, str]:
    lines = lines_at(stages[node]["path"])
    return {row["utterance_id"]: row["hypotheses"][0]["text"] for row in map(json.loads, lines)}


def edited_stages(antiphon: Call, *arguments: str) -> tuple[str, dict[str, Any]]:  # noqa: F811
    _, output = antiphon("edit", *arguments)
    return output["run"], {stage["stage"]: stage for stage in output["stages"]}


def test_what_lies_below_an_edit_runs_again_and_a_second_edit_adds_to_it(
    plain: Call,
    tmp_path: Path,
    calls: Path,  # noqa: F811
) -> None:
    store, table = tmp_path / "store", tmp_path / "asr.tsv"
    content = write(plain, "plain", "asr", table, store)
    first = content.splitlines()[1].split("\t")[1]
    table.write_text(content.replace(first, first.replace(" um ", " "), 1))
    before = len(calls.read_text().splitlines())
    name, stages = edited_stages(plain, "plain", "asr", "--from", str(table), "--by", "ann")
    assert name == "plain-edited"
    assert list(stages) == ["data", "asr", "asr-corrections", "asr-edited", "mt", "metrics"]
    assert [stage["reused"] for stage in stages.values()] == [True, True, True, False, False, False]
    assert [line.split()[0] for line in calls.read_text().splitlines()[before:]] == ["mt"]
    table.unlink()  # the store has what counts
    second = write(plain, name, "asr", table, store).splitlines()[2]
    table.write_text("id\ttext\n" + second.split("\t")[0] + "\tby hand\n")
    again, stages = edited_stages(plain, name, "asr", "--from", str(table), "--by", "bob")
    assert again == "plain-edited-2"
    texts = best_of(stages, "asr-edited")
    assert list(texts.values())[:2] == [first.replace(" um ", " "), "by hand"]
    assert best_of(stages, "mt")[second.split("\t")[0]] == "by hand"
    corrections = read_stored_corrections(Path(stages["asr-corrections"]["path"]))
    assert [(each.by, each.node, each.before == first, each.file) for each in corrections] == [
        ("ann", "asr", True, "asr.tsv"),
        ("bob", "asr-edited", False, "asr.tsv"),
    ]
    assert corrections[0].stage == stages["asr"]["key"]


REFUSALS = [
    ("plain", "asr", None, "expected a text that was changed, found all as asr gave them"),
    ("plain", "asr", "id\ttext\ncaption-1\tx\n", "found 'caption-1'; did you mean caption-"),
    ("plain", "ars", "id\ttext\n", "one of asr, mt; found 'ars'; did you mean asr"),
    ("plane", "asr", "id\ttext\n", "no run 'plane'"),
]


def test_what_does_not_fit_is_one_line_and_nothing_is_lost(
    plain: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, table = tmp_path / "store", tmp_path / "asr.tsv"
    unedited = write(plain, "plain", "asr", table, store)
    before = sorted(store.rglob("*"))
    for run, node, content, message in REFUSALS:
        table.write_text(unedited if content is None else content)
        capsys.readouterr()
        ended = run_command(capsys, "edit", run, node, "--from", str(table), "--store", str(store))
        printed = ended.err
        assert ended.code in (1, 2)
        assert message in printed
        assert printed.count("\n") == 1
    assert sorted(store.rglob("*")) == before


def test_data_of_another_folder_are_refused_before_anything_is_stored(
    antiphon: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, table = tmp_path / "store", tmp_path / "mt.tsv"
    (tmp_path / "m.jsonl").write_text('{"id": "u", "text": "a dog"}\n')
    monkeypatch.chdir(tmp_path)
    languages = ("--set", "source_language=en", "--target-language", "de")
    antiphon("run", "cascade", "--data", "m.jsonl", *languages, "--name", "plain")
    table.write_text(write(antiphon, "plain", "mt", table, store).replace("dog", "cat"))
    run = Store(str(store)).load_run("plain")
    check_data_of(run.model_copy(update={"parameters": {"data": "store:m.jsonl"}}), str(tmp_path))
    before = sorted(store.rglob("*"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ended = run_command(capsys, "edit", "plain", "mt", "--from", str(table), "--store", str(store))
    assert ended.code == 2
    assert "a relative path begins where run plain was started: edit it there" in ended.err
    assert sorted(store.rglob("*")) == before


def test_a_review_passes_or_refuses_where_nobody_can_answer(
    antiphon: Call,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "review.yaml"
    review = "{kind: edit_by_reviewer, of: asr, worst: 1%s}"
    graph = "data: sample\nlimit: 2\nnodes:\n  asr: {kind: recognize}\n  checked: "
    path.write_text(graph + review % "")
    ended = run_command(capsys, "run", str(path), "--store", str(tmp_path / "store"), "--name", "r")
    assert ended.code == 2
    assert "checked: expected a run of a Prefect deployment" in ended.err
    assert not (tmp_path / "store" / "runs" / "r").exists()  # nothing ran
    path.write_text(graph + review % ", unattended: pass")
    printed, output = antiphon("run", str(path), "--name", "r")
    assert "nobody could be asked; all texts passed as they were" in " ".join(printed.split())
    stages = {stage["stage"]: stage for stage in output["stages"]}
    assert best_of(stages, "checked") == best_of(stages, "asr")
