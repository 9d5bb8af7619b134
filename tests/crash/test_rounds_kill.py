"""A refinement that is killed among its rounds goes on and ends in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.processes import SHARDS, Place

pytestmark = pytest.mark.server
REFINE = ("--set", "rounds=2", "--set", "refine.gate=off", "--set", "refine.batch_size=64")


def test_kill_9_among_two_rounds(tmp_path: Path, prefect_url: str) -> None:
    """A shard goes through both rounds before the next begins: what is torn alone is computed twice."""
    straight = Place(tmp_path / "straight", prefect_url, flow="refine", options=REFINE)
    place = Place(tmp_path / "killed", prefect_url, flow="refine", options=REFINE)
    for one in (straight, place):
        one.folder.mkdir()
    whole = straight.run()

    torn = place.start(FAKE_EDIT_HOLD=str(SHARDS + 1))
    place.wait_for_hold(torn, calls=2 * SHARDS + 1, shards=0)
    torn.kill()
    torn.communicate(timeout=60)
    last = place.run()
    assert last.stages["data"]["reused"]
    assert not last.stages["refine-2"]["reused"]
    assert len(place.calls()) == len(straight.calls()) + 1
    for stage in ("mt", "refine-1", "refine-2"):
        assert last.stages[stage]["key"] == whole.stages[stage]["key"]
        assert last.outputs(stage) == whole.outputs(stage)
