"""The ``synthesis`` stage: the utterances of a data set with speech, where they had text only."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import synthesis
from components.records import Quarantined, StageRef
from components.synthesis import SynthesisConfig
from tasks.artifacts import publish_quarantine
from tasks.cost import measured
from tasks.keys import StagePlan, library_versions, read_by
from tasks.options import NOT_STORED, shown
from tasks.progress import Progress
from tasks.reading import utterances
from tasks.shards import shard_size
from tasks.stage import ERRORS, OUTPUTS, Writer, check_partition, opened
from tasks.store import Store

LIBRARIES = ("av", "numpy", "soundfile", "onnxruntime")
AUDIO = "audio"


@lru_cache(maxsize=4)
def _synthesizer(config: SynthesisConfig) -> synthesis.Synthesizer:
    return synthesis.build(config)


def plan_of(config: SynthesisConfig, data: StageRef) -> StagePlan:
    """What decides the speech: settings, the engine and its voices as installed, the texts."""
    speaker = _synthesizer(config)
    return StagePlan(
        stage="data",  # it reads like one: spoken utterances
        version=f"synthesis/{speaker.version}",
        parameters=config.model_dump(mode="json"),
        upstream=read_by(data),
        inputs=speaker.identity,
        shard_size=shard_size(data.items),
        libraries=library_versions(LIBRARIES),
    )


def is_written(data: StageRef) -> bool:
    """Whether anything in a data set has no audio."""
    return any(utterance.audio is None for utterance in utterances(data))


@task(name="synthesis", **NOT_STORED)
def synthesize(config: SynthesisConfig, data: StageRef, store_url: str | None) -> StageRef | State[StageRef]:
    """Speak what has no audio, or go on where a run stopped; the stage reads like a ``data`` stage."""
    with opened(Store(store_url), plan_of(config, data)) as writer:
        ref = writer.ref or _write(config, data, writer)
    get_run_logger().info("synthesis: %d utterances by %s", ref.items - ref.quarantined, config.engine)
    publish_quarantine(ref)
    return shown(ref)


def _write(config: SynthesisConfig, data: StageRef, writer: Writer) -> StageRef:
    size, total = writer.plan.shard_size, data.items - data.quarantined
    progress = Progress("synthesis", total, done=min(writer.shards_done * size, total))
    speaker, rest = _synthesizer(config), islice(utterances(data), writer.shards_done * size, None)
    for batch in iter(lambda: tuple(islice(rest, size)), ()):
        with measured() as cost:
            outcomes = speaker.synthesize(batch, writer.path / AUDIO)
        good = [o.model_dump_json(exclude_defaults=True) for o in outcomes if not isinstance(o, Quarantined)]
        bad = [o.model_dump_json(exclude_defaults=True) for o in outcomes if isinstance(o, Quarantined)]
        writer.append(good, bad, seconds=cost.seconds, peak=cost.peak_memory_bytes)
        progress.advance(len(batch))
    spoken, refused = check_partition("synthesis", _ids(data), writer.path)
    files = sorted(f"{AUDIO}/{path.name}" for path in (writer.path / AUDIO).glob("*.flac"))
    return writer.seal([OUTPUTS, ERRORS, *files], items=spoken + refused, quarantined=refused)


def _ids(data: StageRef) -> Iterator[str]:
    return (utterance.id for utterance in utterances(data))
