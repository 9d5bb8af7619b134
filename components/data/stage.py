"""The ``data`` stage: a manifest, a named set or recordings, written to the store as utterances."""

from __future__ import annotations

from collections.abc import Sequence

from components.compute.profiling import Cost, measure_cost
from components.data.dataset import Dataset, assemble
from components.data.loading import from_audio, load
from components.errors import ConfigError, DataError
from components.files.canonical_json import digest_of
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import StageWriter, open_stage
from components.storage.store import Store

Languages = tuple[str | None, str | None]


def store_data(
    source: str | None, audio: str | None, languages: Languages, limit: int | None, store: Store
) -> StageRef:
    """Read and check a data set (or recordings) and keep its utterances; the finished stage.

    Raises:
        ConfigError: both or neither of ``source`` and ``audio`` were given.
        DataError: nothing usable in it.
    """
    if (source is None) == (audio is None):
        raise ConfigError("expected a data set or an audio file, one of the two; set data or audio")
    options = {"source_language": languages[0], "target_language": languages[1]}
    with measure_cost() as cost:
        if audio is not None:
            dataset = from_audio(audio, limit=limit, **options)
        else:
            dataset = load(str(source), limit=limit, **options)
    everything = [*dataset.utterances, *dataset.quarantined]
    if not everything:
        why = "".join(f"; {note}" for note in dataset.notes)
        raise DataError(f"{source or audio}: expected at least one utterance, found none{why}")
    plan = StagePlan(
        stage="data",
        version="data/2",
        parameters=options,
        # With the paths of its audio: a moved data set is another stage, whose readers see the same content.
        inputs={
            "source": dataset.digest,
            "records": digest_of([record.model_dump() for record in everything]),
        },
    )
    with open_stage(store, plan) as writer:
        return writer.ref or _write(writer, dataset, cost)


def store_part(data: StageRef, positions: Sequence[int], store: Store) -> StageRef:
    """Keep some of the utterances of a loaded data set as a data set of their own; the finished stage.

    Args:
        data: the data set.
        positions: of the utterances in it, ascending.
        store: where.
    """
    with measure_cost() as cost:
        utterances = list(read_utterances(data))
        dataset = assemble(data.stage, [utterances[position] for position in positions], ())
    plan = StagePlan(
        stage="data",
        version="data/2",
        parameters={"part": list(positions)},
        inputs={"source": data.key, "content": dataset.digest},
    )
    with open_stage(store, plan) as writer:
        return writer.ref or _write(writer, dataset, cost)


def _write(writer: StageWriter, dataset: Dataset, cost: Cost) -> StageRef:
    utterances = [record.model_dump_json(exclude_defaults=True) for record in dataset.utterances]
    quarantined = [record.model_dump_json(exclude_defaults=True) for record in dataset.quarantined]
    if writer.shards_done == 0:
        writer.append(utterances, quarantined, seconds=cost.seconds, peak=cost.peak_memory_bytes)
    ids = [record.id for record in dataset.utterances]
    ids += [record.utterance_id for record in dataset.quarantined]
    return writer.finish(ids, content=dataset.digest)
