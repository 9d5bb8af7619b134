"""A refinement that is killed among its rounds goes on and ends in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.processes import Place, count_shards

pytestmark = pytest.mark.server
REFINE = ("--set", "rounds=2", "--set", "refine.gate=off", "--set", "refine.batch_size=64")
ITEMS = 100
SHARDS = count_shards(ITEMS)


def test_kill_9_among_two_rounds(tmp_path: Path, prefect_url: str) -> None:
    """A shard goes through both rounds before the next begins: what is torn alone is computed twice."""
    uninterrupted, place = (
        Place(tmp_path / name, prefect_url, flow="refine", options=REFINE, items=ITEMS)
        for name in ("uninterrupted", "killed")
    )
    for one in (uninterrupted, place):
        one.folder.mkdir()
    whole = uninterrupted.run()

    torn = place.start(FAKE_EDIT_HOLD=str(SHARDS + 1))
    place.wait_for_hold(torn, calls=2 * SHARDS + 1, shards=0)
    torn.kill()
    torn.communicate(timeout=60)
    last = place.run()
    assert last.stages["data"]["reused"]
    assert not last.stages["refine-2"]["reused"]
    assert len(place.calls()) == len(uninterrupted.calls()) + 1
    for stage in ("mt", "refine-1", "refine-2"):
        assert last.stages[stage]["key"] == whole.stages[stage]["key"]
        assert last.outputs(stage) == whole.outputs(stage)
