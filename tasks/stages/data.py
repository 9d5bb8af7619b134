"""The ``data`` stage as a Prefect task."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.data.stage import store_data
from components.run_record import StageRef
from components.storage.store import Store
from tasks.artifacts import publish_quarantine
from tasks.engines.engine import current_engine
from tasks.task_options import NOT_STORED, as_prefect_state

MAX_NAMED = 3
"""Recordings, or patterns of them, that are named."""


@task(name="data", task_run_name="data", **NOT_STORED)
def load_data(
    source: str | None,
    audio: str | None,
    source_language: str | None,
    target_language: str | None,
    limit: int | None,
    store: Store,
) -> StageRef | State[StageRef]:
    """Read and check a data set (or recordings) and keep its utterances; see :func:`store_data`."""
    engine = current_engine()
    build = None if engine is None else engine.build_shards
    ref = store_data(source, audio, (source_language, target_language), limit, store, build)
    records = f"{ref.items:,} record{'s' * (ref.items != 1)}"
    name = source or _name_recordings(str(audio).splitlines())
    get_run_logger().info("data: %s from %s, %d quarantined", records, name, ref.quarantined)
    publish_quarantine(ref)
    return as_prefect_state(ref)


def _name_recordings(patterns: list[str]) -> str:
    """Return the names of the first recordings or patterns, and how many there are beside them."""
    more = f" and {len(patterns) - MAX_NAMED:,} more" if len(patterns) > MAX_NAMED else ""
    return ", ".join(Path(pattern).name for pattern in patterns[:MAX_NAMED]) + more
