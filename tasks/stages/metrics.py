"""The ``metrics`` stage: every score that the references allow, kept in the store like any stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.files import read_json, write_json
from components.metrics import recognition, translation
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.records import Score, StageRef, Utterance
from components.storage.reader import read_best_texts, read_utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once
from tasks.artifacts import publish_summary
from tasks.task_options import NOT_STORED, as_prefect_state

LIBRARIES = ("sacrebleu", "jiwer", "numpy", "openai-whisper")
SCORES = "scores.json"


class TextsToScore(NamedTuple):
    """A stage of texts to score: the prefix of its scores, its utterances, and its language.

    ``language`` is None for transcripts, ``target`` for the language of the references, or a code.
    """

    prefix: str
    data: StageRef
    texts: StageRef
    language: str | None


def find_texts_to_score(pipeline: Pipeline, stages: Mapping[str, StageRef]) -> list[TextsToScore]:
    """The nodes of a pipeline that are scored: its outputs first, then whatever else gives texts."""
    found = []
    for node in pipeline:
        name = node.name
        if node.gives != "text" or name not in stages or pipeline.data_of(name) != DATA:
            continue
        is_output = name in pipeline.outputs.values()
        if is_output or node.kind.scored:
            language = None if pipeline.is_spoken(name) else pipeline.language_of(name)
            prefix = "" if is_output else f"{name}_"
            found.append(TextsToScore(prefix, stages[pipeline.speech_of(name)], stages[name], language))
    return sorted(found, key=lambda one: one.prefix != "")


def _score_transcripts(one: TextsToScore) -> dict[str, Score]:
    known = [u for u in read_utterances(one.data) if u.audio is not None and u.transcript is not None]
    if not known:
        return {}
    language = {utterance.id: utterance.source_language for utterance in known}
    references = {utterance.id: str(utterance.transcript) for utterance in known}
    texts = {key: text for key, text in read_best_texts(one.texts).items() if key in references}
    audio = {utterance.id: utterance.audio for utterance in known if utterance.audio is not None}
    return recognition.recognition_scores(
        references, texts, language=language, n_total=one.data.items, audio=audio
    )


def _score_translations(one: TextsToScore, target_language: str | None) -> dict[str, Score]:
    known = [
        utterance
        for utterance in read_utterances(one.data)
        if utterance.references and one.language in (TARGET, _target_language_of(utterance, target_language))
    ]
    if not known:
        return {}
    language = {utterance.id: _target_language_of(utterance, target_language) for utterance in known}
    references = {utterance.id: utterance.references for utterance in known}
    texts = {key: text for key, text in read_best_texts(one.texts).items() if key in references}
    sources = {utterance.id: utterance.text or utterance.transcript or "" for utterance in known}
    return translation.translation_scores(
        references,
        texts,
        language=language,
        n_total=one.data.items,
        sources=sources,
        audio={utterance.id: utterance.audio for utterance in known if utterance.audio is not None},
    )


def _target_language_of(utterance: Utterance, target_language: str | None) -> str:
    return target_language or utterance.target_language or "und"


def read_scores(ref: StageRef) -> dict[str, Score]:
    """The scores of a ``metrics`` stage by name, in the order in which they were computed."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


@task(name="metrics", task_run_name="metrics", **NOT_STORED)
def score_texts(
    texts: Sequence[TextsToScore], target_language: str | None, store_url: str | None, run: str
) -> StageRef | State[StageRef]:
    """Score stages of texts against the references of their utterances, where these have any."""
    plan = StagePlan(
        stage="metrics",
        kind="metrics",
        version=f"metrics/{metrics.version}",
        parameters={
            "target_language": target_language,
            "scored": [[one.prefix, one.language] for one in texts],
        },
        upstream={
            f"{number}{role}": content_of(ref)
            for number, one in enumerate(texts)
            for role, ref in (("data", one.data), ("texts", one.texts))
        },
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        scores: list[Score] = []
        for one in texts:
            values = (
                _score_transcripts(one) if one.language is None else _score_translations(one, target_language)
            )
            named = {f"{one.prefix}{name}": each for name, each in values.items()}
            scores += [each.model_copy(update={"name": name}) for name, each in named.items()]
        write_json(folder / SCORES, {"scores": [each.model_dump(mode="json") for each in scores]})
        return Product([SCORES], items=texts[0].data.items)

    ref = compute_once(Store(store_url), plan, work)
    read = {one.key: one for each in texts for one in (each.data, each.texts)}
    publish_summary(run, [*read.values(), ref], read_scores(ref))
    return as_prefect_state(ref)
