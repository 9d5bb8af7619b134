"""What a run leaves behind when it is stopped, and which finished runs cannot be opened again."""

from __future__ import annotations

import json
from asyncio import CancelledError
from pathlib import Path

import pytest
from prefect.exceptions import Pause, TerminationSignal

from components.errors import ConfigError, DataError
from components.run_record import NodeRecord, PipelineRecord
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from flows import signals
from flows.parameters.analyses import BlameParameters
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.registry import flow_named
from flows.run import Run
from tests.components.storage.test_store import record
from tests.reports.example_runs import stage

ENDED = "ended by Prefect or its worker, whose log says why; finished shards are kept: run it again"


@pytest.mark.parametrize(
    ("error", "status", "note"),
    [
        (KeyboardInterrupt(), "cancelled", "stopped; finished shards are kept: run it again to go on"),
        (TerminationSignal(15), "cancelled", "stopped; finished shards are kept: run it again to go on"),
        (Pause(), "suspended", "suspended; finished shards are kept: resume it to go on"),
        (DataError("a.wav: expected audio"), "failed", "a.wav: expected audio"),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
        (AssertionError(), "failed", "AssertionError"),
        (CancelledError(), "cancelled", ENDED),
        (SystemExit(1), "cancelled", ENDED),
    ],
)
def test_a_run_that_is_stopped_says_why(
    error: BaseException, status: str, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = []
    monkeypatch.setattr(signals, "confirm_cancellation", lambda: confirmed.append(True))
    with (
        pytest.raises(type(error)),
        Run("cascade", flow_named("cascade").parameters(store=str(tmp_path), name="mine")),
    ):
        raise error
    run = Store(str(tmp_path)).load_run("mine")
    assert (run.status, run.notes) == (status, (note,))
    assert bool(confirmed) == isinstance(error, TerminationSignal)  # the server hears of it before it is gone


@pytest.mark.parametrize("finished_before", [False, True])
def test_a_run_that_waits_for_a_person_is_recorded_as_paused_until_it_goes_on(
    finished_before: bool, tmp_path: Path
) -> None:
    store = Store(str(tmp_path))
    parameters = flow_named("cascade").parameters(store=str(tmp_path), name="mine", replace=True)
    before = store.save_run(record("mine")) if finished_before else store.runs / "mine"
    path = before / ("failed.json" if finished_before else "run.json")  # a finished run's record stays
    with Run("cascade", parameters) as run:
        run.record_pause(())
        assert not path.exists()
        run.record_pause({"checked-answers"})
        said = json.loads(path.read_text())
        note = "checked-answers: waits for a person, who answers in this run's page in Prefect"
        assert (said["status"], said["notes"]) == ("paused", [note])
        if not finished_before:
            assert [each.status for each in list_runs(store)] == ["paused"]
        run.record_pause(())
        assert not path.exists()
    assert (store.load_run("mine").status, store.load_run("mine").notes) == ("completed", ())


def test_a_run_whose_process_died_while_it_waited_is_unfinished(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.save_run(record("mine", status="paused"))
    assert [each.status for each in list_runs(store)] == ["unfinished"]


def test_a_copy_of_a_run_says_once_what_was_quarantined(tmp_path: Path) -> None:
    note = "1 of 3 records quarantined in stage data"
    with Run("cascade", flow_named("cascade").parameters(store=str(tmp_path), name="mine")) as run:
        run.add(stage("data", 3, 1, 0.1))
        run.notes = [*run.record.notes, "another"]  # as `reopen_run` does
        assert run.record.notes == (note, "another")


def test_runs_that_cannot_be_opened_again_are_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    graph = PipelineRecord(nodes=(NodeRecord(name="asr", kind="recognize", output="text"),))
    store.save_run(record("bare", flow="train"))
    store.save_run(record("early", parameters={"limit": "many"}, pipeline=graph))
    for name, message in (
        ("bare", "run bare: blame expects a run of a pipeline, found one of train"),
        ("early", r"run early: limit .*valid integer.*; run the flow again"),
    ):
        with pytest.raises(ConfigError, match=message):
            reopen_run(name, "blame", BlameParameters(run=name, store=str(tmp_path)))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["bare", "early"]
