"""A list of runs is a table; the two main jobs are graphs of one or two nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import antiphon
from antiphon import _runs
from components.storage.store import Store
from tests.components.storage.test_store import record


def test_runs_show_themselves_as_a_table(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for name in ("one", "<b>two"[3:]):
        store.save_run(record(name))
    runs = antiphon.list_runs(store=str(tmp_path))
    header, *lines = repr(runs).splitlines()
    assert header.split()[:3] == ["name", "flow", "status"]
    assert {line.split()[0] for line in lines} == {"one", "two"}
    assert runs._repr_html_().count("<tr>") == 3


def test_the_two_main_jobs_are_graphs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(_runs, "run_flow", lambda flow, **values: calls.append(values))
    antiphon.transcribe(["a.wav", "b.wav"], name="x")
    antiphon.translate("talk.wav", "de")
    antiphon.translate(tmp_path / "letters.it", "en")
    first, speech, text = calls
    assert (first["audio"], first["name"], list(first["nodes"])) == ("a.wav\nb.wav", "x", ["asr"])
    assert first["nodes"]["asr"]["word_times"] is True
    assert speech["nodes"]["mt"] == {"kind": "translate", "of": "asr", "model": "auto"}
    assert (text["data"], text["source_language"]) == (str(tmp_path / "letters.it"), "it")
    assert text["nodes"]["mt"]["of"] == "data"
