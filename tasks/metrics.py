"""The ``metrics`` stage: every score that the references allow, kept in the store like any stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.files import read_json, write_json
from components.metrics import translation, wer
from components.profiling import measure_cost
from components.records import Score, StageRef, Utterance
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.stage_writer import opened
from components.storage.store import Store
from tasks.artifacts import publish_summary
from tasks.options import NOT_STORED, shown

LIBRARIES = ("sacrebleu", "jiwer", "numpy", "openai-whisper")
SCORES = "scores.json"
TRANSLATIONS = ("mt", "stack")
"""Stages that translate, in their order: the last one is scored as ``bleu``, one before as ``mt_bleu``."""


def _recognition(data: StageRef, asr: StageRef) -> dict[str, Score]:
    known = [u for u in utterances(data) if u.audio is not None and u.transcript is not None]
    if not known:
        return {}
    language = {utterance.id: utterance.source_language for utterance in known}
    references = {utterance.id: str(utterance.transcript) for utterance in known}
    heard = {key: text for key, text in best_texts(asr).items() if key in references}
    return wer.recognition_scores(references, heard, language=language, n_total=data.items)


def _translation(data: StageRef, mt: StageRef, target_language: str | None, prefix: str) -> dict[str, Score]:
    known = [utterance for utterance in utterances(data) if utterance.references]
    if not known:
        return {}
    language = {utterance.id: _target(utterance, target_language) for utterance in known}
    references = {utterance.id: utterance.references for utterance in known}
    given = {key: text for key, text in best_texts(mt).items() if key in references}
    found = translation.translation_scores(references, given, language=language, n_total=data.items)
    return {prefix + k: score.model_copy(update={"name": prefix + k}) for k, score in found.items()}


def _target(utterance: Utterance, target_language: str | None) -> str:
    return target_language or utterance.target_language or "und"


def read_scores(ref: StageRef) -> dict[str, Score]:
    """The scores of a ``metrics`` stage by name, in the order in which they were computed."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


@task(name="metrics", **NOT_STORED)
def score(
    stages: Mapping[str, StageRef], target_language: str | None, store_url: str | None, run: str
) -> StageRef | State[StageRef]:
    """Score the stages that recognise and translate against the references of ``data``, where it has any."""
    read = [stages[name] for name in ("data", "asr", *TRANSLATIONS) if name in stages]
    plan = StagePlan(
        stage="metrics",
        version=f"metrics/{metrics.version}",
        parameters={"target_language": target_language},
        upstream=read_by(*read),
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            with measure_cost() as cost:
                found = _recognition(stages["data"], stages["asr"]) if "asr" in stages else {}
                translating = [name for name in TRANSLATIONS if name in stages]
                for name in translating:
                    prefix = "" if name == translating[-1] else f"{name}_"
                    found |= _translation(stages["data"], stages[name], target_language, prefix)
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            write_json(writer.path / SCORES, {"scores": [s.model_dump(mode="json") for s in found.values()]})
            writer.seal([SCORES], items=stages["data"].items)
        assert writer.ref is not None
        ref = writer.ref
    publish_summary(run, [*read, ref], read_scores(ref))
    return shown(ref)
