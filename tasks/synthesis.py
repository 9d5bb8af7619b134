"""The ``synthesis`` stage: the utterances of a data set with speech, where they had text only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.data import content_digest
from components.files import lines
from components.profiling import measure_cost
from components.records import Quarantined, StageRef, Utterance
from components.storage.reader import utterances
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.stage_writer import ERRORS, OUTPUTS, Writer, check_partition, opened
from components.storage.store import Store
from components.synthesis import synthesizer as synthesis
from components.synthesis.config import SynthesisConfig
from tasks.artifacts import publish_quarantine
from tasks.options import NOT_STORED, shown
from tasks.progress import Progress
from tasks.shards import shard_size

LIBRARIES = ("av", "numpy", "soundfile", "onnxruntime")
AUDIO = "audio"


def plan_of(speaker: synthesis.Synthesizer, data: StageRef) -> StagePlan:
    """What decides the speech: settings, the engine and its voices as installed, the texts."""
    return StagePlan(
        stage="data",  # it reads like one: spoken utterances
        version=f"synthesis/{speaker.version}",
        parameters=speaker.config.model_dump(mode="json"),
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
    speaker = synthesis.build(config)
    with opened(Store(store_url), plan_of(speaker, data)) as writer:
        ref = writer.ref or _write(speaker, data, writer)
    get_run_logger().info("synthesis: %d utterances by %s", ref.items - ref.quarantined, config.engine)
    publish_quarantine(ref)
    return shown(ref)


def _write(speaker: synthesis.Synthesizer, data: StageRef, writer: Writer) -> StageRef:
    size, total = writer.plan.shard_size, data.items - data.quarantined
    progress = Progress("synthesis", total, done=min(writer.shards_done * size, total))
    rest = islice(utterances(data), writer.shards_done * size, None)
    for batch in iter(lambda: tuple(islice(rest, size)), ()):
        with measure_cost() as cost:
            outcomes = speaker.synthesize(batch, writer.path / AUDIO)
        spoken = [_within(writer.path, o) for o in outcomes if not isinstance(o, Quarantined)]
        lines_good = [one.model_dump_json(exclude_defaults=True) for one in spoken]
        lines_bad = [o.model_dump_json(exclude_defaults=True) for o in outcomes if isinstance(o, Quarantined)]
        writer.append(lines_good, lines_bad, seconds=cost.seconds, peak=cost.peak_memory_bytes)
        progress.advance(len(batch))
    good, refused = check_partition("synthesis", _ids(data), writer.path)
    files = sorted(f"{AUDIO}/{path.name}" for path in (writer.path / AUDIO).glob("*.flac"))
    content = content_digest(
        map(Utterance.model_validate_json, lines(writer.path / OUTPUTS)),
        map(Quarantined.model_validate_json, lines(writer.path / ERRORS)),
    )
    return writer.seal([OUTPUTS, ERRORS, *files], items=good + refused, quarantined=refused, content=content)


def _within(folder: Path, utterance: Utterance) -> Utterance:
    """With its audio by its place in the stage, if it is there: a store may be moved."""
    sound = utterance.audio
    if sound is None or not Path(sound.path).is_relative_to(folder):
        return utterance
    path = Path(sound.path).relative_to(folder).as_posix()
    return utterance.model_copy(update={"audio": sound.model_copy(update={"path": path})})


def _ids(data: StageRef) -> Iterator[str]:
    return (utterance.id for utterance in utterances(data))
