"""The ``data`` stage as a Prefect task."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.data.stage import store_data
from components.run_record import StageRef
from components.storage.store import Store
from tasks.artifacts import publish_quarantine
from tasks.task_options import NOT_STORED, as_prefect_state


@task(name="data", task_run_name="data", **NOT_STORED)
def load_data(
    source: str | None,
    audio: str | None,
    source_language: str | None,
    target_language: str | None,
    limit: int | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Read and check a data set (or recordings) and keep its utterances; see :func:`store_data`."""
    ref = store_data(source, audio, (source_language, target_language), limit, Store(store_url))
    records = f"{ref.items:,} record{'s' * (ref.items != 1)}"
    name = source or ", ".join(Path(line).name for line in str(audio).splitlines()[:3])
    get_run_logger().info("data: %s from %s, %d quarantined", records, name, ref.quarantined)
    publish_quarantine(ref)
    return as_prefect_state(ref)
