"""The runs of a store by their beginnings, of which no more records are read than are asked for."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from itertools import islice

import pytest

from components.storage.runs import run_listing
from components.storage.runs.run_listing import iterate_runs, list_runs
from components.storage.store import Store
from tests.components.storage.test_store import record

BEGIN = 1_700_000_000


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose records are read."""
    names: list[str] = []
    read_record = run_listing.read_record
    monkeypatch.setattr(
        run_listing,
        "read_record",
        lambda folder, stages: names.append(folder.name) or read_record(folder, stages),
    )
    return names


def save(store: Store, name: str, started: int, seconds: int) -> None:
    """A run whose record was written ``seconds`` after it began."""
    store.save_run(record(name, started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")))
    os.utime(store.run_folder(name) / "run.json", (started + seconds, started + seconds))


def test_the_newest_are_read_alone(tmp_path, read: list[str]) -> None:
    store = Store(str(tmp_path))
    for number in range(40):
        save(store, f"run-{number}", BEGIN + 1000 * number, 10)
    assert [run.name for run in islice(iterate_runs(store), 5)] == [f"run-{39 - n}" for n in range(5)]
    assert len(read) == 5


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_the_beginnings_however_long_runs_take(
    tmp_path, read: list[str], seed: int
) -> None:
    draw, store = random.Random(seed), Store(str(tmp_path))
    begun = {f"run-{n}": BEGIN + draw.randrange(1000) for n in range(40)}
    for name, at in begun.items():
        save(store, name, at, draw.choice((0, 3, 200, 5000)))
    (store.runs / "begun").mkdir()
    (store.runs / "run-7" / "run.json").write_text("{")
    os.utime(store.runs / "run-7" / "run.json", (BEGIN + 500, BEGIN + 500))
    begun["run-7"] = BEGIN + 500
    names = ["begun", *sorted(begun, key=lambda name: (begun[name], name), reverse=True)]
    assert [run.name for run in iterate_runs(store)] == names
    assert [run.name for run in list_runs(store)] == names
    assert [run.status for run in list_runs(store) if run.name == "run-7"] == ["damaged"]
