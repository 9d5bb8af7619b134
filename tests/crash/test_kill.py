"""A run that ends in the middle of its second stage goes on there and ends in the same bytes.

The two files beside this one kill -9. Flipped bits and exceptions inside a writer are shown in
tests/tasks/test_stage.py, without a flow.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.crash.processes import ITEMS, SHARDS, Ended, Place, ended

pytestmark = pytest.mark.server


@pytest.fixture
def place(tmp_path: Path, prefect_url: str) -> Place:
    return Place(tmp_path, prefect_url)


def test_two_at_once_then_sigterm_then_ctrl_c_then_the_end(place: Place, straight: Ended) -> None:
    """Each run takes over where the one before was stopped; nothing is computed twice but what was torn.

    SIGTERM waits for the shard at work; Ctrl-C does not, though a thread of its own computes it.
    """
    first = place.start(FAKE_HOLD="3")
    place.wait_for_hold(first, calls=3, shards=2)

    second = place.run(ANTIPHON_LOCK_SECONDS="0")
    assert second.code == 1
    assert re.search(r"antiphon: shard \d+ of mt is being written", second.errors)
    assert f"is being written by process {first.pid} on {os.uname().nodename} since 20" in second.errors
    assert "Traceback" not in second.errors
    assert len(place.calls()) == 3

    first.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    place.release()
    stopped = ended(first)
    assert stopped.code in {128 + signal.SIGTERM, -signal.SIGTERM}
    assert "run again: antiphon run cascade --data" in stopped.errors
    assert "Traceback" not in stopped.errors

    files, before = place.kept(), len(place.calls())
    assert files == 3  # the shard at work landed in time
    records = [json.loads(path.read_text()) for path in place.store.glob("runs/*/run.json")]
    assert "cancelled" in {record["status"] for record in records}
    (place.folder / "calls.go").unlink()
    third = place.start(FAKE_HOLD="4")
    place.wait_for_hold(third, calls=before + 4, shards=files + 3)
    third.send_signal(signal.SIGINT)
    stopped = ended(third)
    assert stopped.code == 128 + signal.SIGINT
    assert "finished shards are kept" in stopped.errors
    assert "run again: antiphon run cascade --data" in stopped.errors
    assert "Traceback" not in stopped.errors
    with temporary_settings({PREFECT_API_URL: place.server}), get_client(sync_client=True) as client:
        (crashed,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
    assert (crashed.state.name, crashed.state.message) == ("Crashed", "Interrupted by Ctrl-C.")

    files, before = place.kept(), len(place.calls())
    (place.store / "shards" / "aa").mkdir(exist_ok=True)
    torn = place.store / "shards" / "aa" / f".{'a' * 64}.jsonl.7.tmp"
    torn.write_bytes(b'{"utterance_id":"u9')  # as a kill in the middle of a write leaves it
    last = place.run()
    assert last.stages["data"]["reused"]
    assert not last.stages["mt"]["reused"]
    assert len(place.calls()) - before == SHARDS - files
    for stage in ("data", "mt"):
        assert last.outputs(stage) == straight.outputs(stage)


def test_a_full_disk_is_one_clear_line_and_a_stage_to_resume(place: Place) -> None:
    """A file size limit makes writes fail as a full disk does."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    full = ended(place.start(bounded, FAKE_PADDING="10000"))
    assert full.code == 1
    output = [line for line in full.errors.splitlines() if line.startswith("antiphon: ")]
    assert len(output) == 1
    assert "no space left to write shard " in output[0]
    assert "Traceback" not in full.errors
    files = place.kept()
    before = len(place.calls())
    again = place.run(padding=10_000)
    assert len(place.calls()) - before == SHARDS - files
    ids = [json.loads(line)["utterance_id"] for line in again.outputs("mt").splitlines()]
    assert ids == [f"u{n:04d}" for n in range(ITEMS)]
