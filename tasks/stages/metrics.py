"""The ``metrics`` stage: every score that the references allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.files import read_json, write_json
from components.languages import UNDETERMINED
from components.metrics import recognition, translation
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.records import Utterance
from components.run_record import Score, StageRef
from components.storage.reader import read_best_texts, read_utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once
from tasks.task_options import NOT_STORED, as_prefect_state

LIBRARIES = ("sacrebleu", "jiwer", "numpy", "openai-whisper")
SCORES = "scores.json"


class TextsToScore(NamedTuple):
    """A stage of texts to score.

    Attributes:
        prefix: of the names of its scores.
        data: its utterances.
        texts: the stage.
        language: None for transcripts, ``target`` for the language of the references, or a code.
    """

    prefix: str
    data: StageRef
    texts: StageRef
    language: str | None


def find_texts_to_score(pipeline: Pipeline, stages: Mapping[str, StageRef]) -> list[TextsToScore]:
    """Return the nodes of a pipeline that are scored: its outputs first, then the other texts."""
    selected = []
    for node in pipeline:
        name = node.name
        if node.gives != "text" or name not in stages or pipeline.data_of(name) != DATA:
            continue
        is_output = name in pipeline.outputs.values()
        if is_output or node.kind.scored:
            language = None if pipeline.is_spoken(name) else pipeline.language_of(name)
            prefix = "" if is_output else f"{name}_"
            selected.append(TextsToScore(prefix, stages[pipeline.speech_of(name)], stages[name], language))
    return sorted(selected, key=lambda entry: entry.prefix != "")


def _score_transcripts(entry: TextsToScore) -> dict[str, Score]:
    referenced = [u for u in read_utterances(entry.data) if u.audio is not None and u.transcript is not None]
    if not referenced:
        return {}
    language = {utterance.id: utterance.source_language for utterance in referenced}
    references = {utterance.id: str(utterance.transcript) for utterance in referenced}
    texts = {key: text for key, text in read_best_texts(entry.texts).items() if key in references}
    audio = {utterance.id: utterance.audio for utterance in referenced if utterance.audio is not None}
    return recognition.recognition_scores(
        references, texts, language=language, n_total=entry.data.items, audio=audio
    )


def _score_translations(entry: TextsToScore, target_language: str | None) -> dict[str, Score]:
    referenced = [
        utterance
        for utterance in read_utterances(entry.data)
        if utterance.references
        and entry.language in (TARGET, _target_language_of(utterance, target_language))
    ]
    if not referenced:
        return {}
    language = {utterance.id: _target_language_of(utterance, target_language) for utterance in referenced}
    references = {utterance.id: utterance.references for utterance in referenced}
    texts = {key: text for key, text in read_best_texts(entry.texts).items() if key in references}
    sources = {utterance.id: utterance.text or utterance.transcript or "" for utterance in referenced}
    return translation.translation_scores(
        references,
        texts,
        language=language,
        n_total=entry.data.items,
        sources=sources,
        audio={utterance.id: utterance.audio for utterance in referenced if utterance.audio is not None},
    )


def _target_language_of(utterance: Utterance, target_language: str | None) -> str:
    return target_language or utterance.target_language or UNDETERMINED


def read_scores(ref: StageRef) -> dict[str, Score]:
    """Return the scores of a ``metrics`` stage by name, in the order in which they were computed."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


@task(name="metrics", task_run_name="metrics", **NOT_STORED)
def score_texts(
    texts: Sequence[TextsToScore], target_language: str | None, store_url: str | None
) -> StageRef | State[StageRef]:
    """Score stages of texts against the references of their utterances, where these have any."""
    plan = StagePlan(
        stage="metrics",
        kind="metrics",
        version=f"metrics/{metrics.version}",
        parameters={
            "target_language": target_language,
            "scored": [[entry.prefix, entry.language] for entry in texts],
        },
        upstream={
            f"{number}{role}": content_of(ref)
            for number, entry in enumerate(texts)
            for role, ref in (("data", entry.data), ("texts", entry.texts))
        },
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        scores: list[Score] = []
        for entry in texts:
            values = (
                _score_transcripts(entry)
                if entry.language is None
                else _score_translations(entry, target_language)
            )
            scores += [
                score.model_copy(update={"name": f"{entry.prefix}{name}"}) for name, score in values.items()
            ]
        write_json(folder / SCORES, {"scores": [score.model_dump(mode="json") for score in scores]})
        return Product([SCORES], items=texts[0].data.items)

    return as_prefect_state(compute_once(Store(store_url), plan, work))
