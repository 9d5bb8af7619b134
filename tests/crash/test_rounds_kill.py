"""A refinement that is killed between two rounds goes on at its round and ends in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.processes import SHARDS, Place

pytestmark = pytest.mark.server
REFINE = ("--set", "rounds=2", "--set", "refine.gate=off", "--set", "refine.batch_size=64")


def test_kill_9_after_round_1(tmp_path: Path, prefect_url: str) -> None:
    """Round 1 is sealed and no shard of round 2 is complete when the process is killed."""
    straight = Place(tmp_path / "straight", prefect_url, flow="refine", options=REFINE)
    place = Place(tmp_path / "killed", prefect_url, flow="refine", options=REFINE)
    for one in (straight, place):
        one.folder.mkdir()
    whole = straight.run()

    torn = place.start(FAKE_EDIT_HOLD=str(SHARDS + 1))
    place.wait_for_hold(torn, calls=2 * SHARDS + 1, shards=0)
    torn.kill()
    torn.communicate(timeout=60)
    before = len(place.calls())

    last = place.run()
    assert {name: stage["reused"] for name, stage in last.stages.items()} == {
        **dict.fromkeys(("data", "mt", "refine-1"), True),
        **dict.fromkeys(("refine-2", "metrics", "rounds"), False),
    }
    assert len(place.calls()) - before == SHARDS
    for stage in ("mt", "refine-1", "refine-2"):
        assert last.stages[stage]["key"] == whole.stages[stage]["key"]
        assert last.outputs(stage) == whole.outputs(stage)
