"""A finished run in a real store, without a model: a talk in two stretches, and a second recording."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from components.records import Audio, Hypothesis, NBest, NodeOutcome, Quarantined, Segment, Utterance, Word
from components.run_record import NodeRecord, PipelineRecord, RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from tests.components.storage.written import written


def stretch(name: str, seconds: float, offset: float = 0.0) -> Audio:
    """A stretch of a recording that nobody opens."""
    sha = hashlib.sha256(name.encode()).hexdigest()
    return Audio(path=f"/talks/{name}", sha256=sha, seconds=seconds, sample_rate=16000, offset=offset)


def spoken(utterance_id: str, audio: Audio, **more: str) -> Utterance:
    return Utterance(id=utterance_id, audio=audio, source_language="en", target_language="de", **more)


def nbest(utterance_id: str, text: str, *segments: Segment, score: float = -1.0) -> NBest:
    best = Hypothesis(text=text, score=score, n_tokens=4, system="model", segments=segments)
    return NBest(utterance_id=utterance_id, hypotheses=(best,), language="en")


def word(start: float, end: float, text: str, probability: float) -> Word:
    return Word(start=start, end=end, text=text, probability=probability)


UTTERANCES = (
    # The second stretch of the talk stands first in the data.
    spoken("talk@10", stretch("talk.mp4", 5.0, 10.0), speaker="Ann"),
    spoken("talk@0", stretch("talk.mp4", 10.0), speaker="Bob"),
    spoken("other", stretch("other/talk.mp4", 4.0)),
    spoken("bad", stretch("bad.wav", 2.0)),
)
TRANSCRIPTS: tuple[NBest | Quarantined, ...] = (
    nbest("talk@10", "The end.", Segment(start=0.5, end=1.5, text="The end.", mean_log_prob=-0.5)),
    nbest(
        "talk@0",
        "Good morning. It is =1+1 today.",
        Segment(
            start=0.0,
            end=1.2,
            text="Good morning.",
            words=(word(0.1, 0.5, " Good", 0.9), word(0.5, 1.0, " morning.", 0.3)),
        ),
        Segment(start=4.0, end=6.0, text="It is =1+1 today."),
    ),
    nbest("other", "Yes."),
    Quarantined(utterance_id="bad", stage="asr", reason="no sound", detail="expected speech, found none"),
)
TRANSLATIONS: tuple[NBest | Quarantined, ...] = (
    nbest("talk@10", "Das Ende."),
    nbest("talk@0", "Guten Morgen. Heute ist es =1+1."),
    nbest("other", "=Ja."),
)


def write_stage(store: Store, name: str, records: Sequence[NodeOutcome]) -> StageRef:
    """A finished stage of the store with these records."""
    plan = StagePlan(stage=name, version="1", parameters={"n": len(records)})
    return written(store, plan, records)


def write_run(
    store: Store,
    utterances: Sequence[Utterance] = UTTERANCES,
    transcripts: Sequence[NBest | Quarantined] = TRANSCRIPTS,
    translations: Sequence[NBest | Quarantined] = TRANSLATIONS,
    name: str = "run",
) -> RunRecord:
    """A run of a cascade in the store."""
    values = {"data": utterances, "asr": transcripts, "mt": translations}
    refs = [write_stage(store, stage, records) for stage, records in values.items() if records]
    asr = NodeRecord(name="asr", kind="recognize", output="text", reads={"of0": "data"}, language="source")
    above = "asr" if transcripts else "data"
    mt = NodeRecord(name="mt", kind="translate", output="text", reads={"of0": above}, language="target")
    nodes = (*([asr] if transcripts else []), mt)
    outputs = {"transcript": "asr"} if transcripts else {}
    bad = any(isinstance(record, Quarantined) for record in (*transcripts, *translations))
    run = RunRecord(
        name=name,
        flow="cascade",
        status="completed with quarantine" if bad else "completed",
        parameters={"data": "talks.jsonl"},
        stages=tuple(refs),
        pipeline=PipelineRecord.model_validate({"nodes": nodes, "outputs": {**outputs, "translation": "mt"}}),
        metrics={},
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
    )
    store.save_run(run)
    return store.load_run(name)


def new_store(folder: Path) -> Store:
    return Store(str(folder / "store"))
