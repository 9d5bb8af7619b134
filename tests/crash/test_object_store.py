"""A worker with its store on S3 is killed; another machine ends its run with the bytes of a local one."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.storage.objects.object_store import ObjectStore
from tests.components.storage.written import shard_paths
from tests.crash.processes import SHARDS, Ended, Place

pytestmark = pytest.mark.server


def test_another_machine_ends_the_run_of_a_killed_worker(
    tmp_path: Path, prefect_url: str, s3_url: str, straight: Ended
) -> None:
    place = Place(tmp_path, prefect_url, s3_url)
    first = place.start(FAKE_HOLD="4", ANTIPHON_CACHE=str(tmp_path / "one"), ANTIPHON_LEASE="1")
    place.wait_for_hold(first, calls=4, shards=3)
    first.kill()
    first.communicate(timeout=60)
    kept = place.kept()
    assert kept == 3

    last = place.run(ANTIPHON_CACHE=str(tmp_path / "two"), ANTIPHON_LEASE="1")
    assert (last.stages["data"]["reused"], last.stages["mt"]["reused"]) == (True, False)
    assert len(place.calls()) == 4 + SHARDS - kept
    objects = ObjectStore(s3_url)
    for stage in ("data", "mt"):
        assert last.stages[stage]["key"] == straight.stages[stage]["key"]
        assert last.outputs(stage) == straight.outputs(stage)
        names = [
            f"shards/{path.name[:2]}/{path.name}" for path in shard_paths(str(last.stages[stage]["path"]))
        ]
        lines = [line for name in names for line in (objects.read(name) or b"").split(b"\n")[1:-1]]
        assert b"\n".join(lines) == straight.outputs(stage)
    sent = [name.rpartition("/")[2] for name in objects.list_names("runs")]
    assert {"run.json", "metrics.json", "report.html"} <= set(sent)
