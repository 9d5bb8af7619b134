"""The ``data`` stage: a manifest, a named set or one recording becomes utterances in the store."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import data as reading
from components.canonical import digest
from components.errors import ConfigError, DataError
from components.profiling import Cost, measure_cost
from components.records import StageRef
from components.storage.stage_plan import StagePlan
from components.storage.stage_writer import Writer, opened
from components.storage.store import Store
from tasks.artifacts import publish_quarantine
from tasks.options import NOT_STORED, shown


@task(name="data", **NOT_STORED)
def load(
    source: str | None,
    audio: str | None,
    source_language: str | None,
    target_language: str | None,
    limit: int | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Read and check a data set (or one recording) and keep its utterances.

    Raises:
        ConfigError: both or neither of ``source`` and ``audio`` were given.
        DataError: nothing usable in it.
    """
    if (source is None) == (audio is None):
        raise ConfigError("expected a data set or an audio file, one of the two; set data or audio")
    options = {"source_language": source_language, "target_language": target_language}
    with measure_cost() as cost:
        if audio is not None:
            dataset = reading.from_audio(audio, limit=limit, **options)
        else:
            dataset = reading.load(str(source), limit=limit, **options)
    everything = [*dataset.utterances, *dataset.quarantined]
    if not everything:
        raise DataError(f"{source or audio}: expected at least one utterance, found none")
    plan = StagePlan(
        stage="data",
        version="data/2",
        parameters=options,
        # With the paths of its audio: a moved data set is another stage, whose readers see the same content.
        inputs={"source": dataset.digest, "records": digest([record.model_dump() for record in everything])},
    )
    with opened(Store(store_url), plan) as writer:
        ref = writer.ref or _write(writer, dataset, cost)
    name = source or Path(str(audio)).name
    get_run_logger().info("data: %d records from %s, %d put aside", ref.items, name, ref.quarantined)
    publish_quarantine(ref)
    return shown(ref)


def _write(writer: Writer, dataset: reading.Dataset, cost: Cost) -> StageRef:
    good = [record.model_dump_json(exclude_defaults=True) for record in dataset.utterances]
    bad = [record.model_dump_json(exclude_defaults=True) for record in dataset.quarantined]
    if writer.shards_done == 0:
        writer.append(good, bad, seconds=cost.seconds, peak=cost.peak_memory_bytes)
    ids = [record.id for record in dataset.utterances]
    ids += [record.utterance_id for record in dataset.quarantined]
    return writer.finish(ids, content=dataset.digest)
