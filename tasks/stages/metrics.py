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
from components.metrics.metric import Output
from components.metrics.normalizers import BY_LANGUAGE, libraries_of_normalizer
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import metrics_of
from components.metrics.turns import output_turns
from components.pipeline.pipeline import DATA, TARGET, Pipeline
from components.records import Utterance
from components.run_record import Score, StageRef
from components.storage.reader import read_nbests, read_utterances
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


def libraries_of(normalizer: str) -> dict[str, str]:
    """Return the versions of what counts under a normalizer."""
    return library_versions((*LIBRARIES, *libraries_of_normalizer(normalizer)))


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


def _score(entry: TextsToScore, target_language: str | None, normalizer: str) -> dict[str, Score]:
    """Return the scores of a stage's texts by metric; long recordings count by their reference segments."""
    output: Output = "transcript" if entry.language is None else "translation"
    utterances = list(read_utterances(entry.data))
    if output == "transcript":
        units = ScoringUnits(utterances, output, {u.id: u.source_language for u in utterances})
    else:
        languages = {u.id: _target_language_of(u, target_language) for u in utterances}
        scored = [u for u in utterances if entry.language in (TARGET, languages[u.id])]
        units = ScoringUnits(scored, output, languages)
    best = {nbest.utterance_id: nbest.best for nbest in read_nbests(entry.texts)}
    texts = {key: hypothesis.text for key, hypothesis in best.items()}
    turns = {key: output_turns(hypothesis) for key, hypothesis in best.items()}
    segments = units.align(texts, entry.data.items, turns)
    if segments is None:
        return {}
    return units.score(metrics_of(output, normalizer).values(), segments, entry.data.items)


def _target_language_of(utterance: Utterance, target_language: str | None) -> str:
    return target_language or utterance.target_language or UNDETERMINED


def read_scores(ref: StageRef) -> dict[str, Score]:
    """Return the scores of a ``metrics`` stage by name, in the order in which they were computed."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


@task(name="metrics", task_run_name="metrics", **NOT_STORED)
def score_texts(
    texts: Sequence[TextsToScore],
    target_language: str | None,
    store_url: str | None,
    normalizer: str = BY_LANGUAGE,
) -> StageRef | State[StageRef]:
    """Score stages of texts against the references of their utterances, where these have any.

    Args:
        texts: the stages.
        target_language: of translations; the data's own if None.
        store_url: where.
        normalizer: that transcripts are counted under.
    """
    plan = StagePlan(
        stage="metrics",
        kind="metrics",
        version=f"metrics/{metrics.version}",
        parameters={
            "target_language": target_language,
            "scored": [[entry.prefix, entry.language] for entry in texts],
            **({} if normalizer == BY_LANGUAGE else {"normalizer": normalizer}),
        },
        upstream={
            f"{number}{role}": content_of(ref)
            for number, entry in enumerate(texts)
            for role, ref in (("data", entry.data), ("texts", entry.texts))
        },
        libraries=libraries_of(normalizer),
    )

    def work(folder: Path) -> Product:
        scores: list[Score] = []
        for entry in texts:
            scores += [
                score.model_copy(update={"name": f"{entry.prefix}{name}"})
                for name, score in _score(entry, target_language, normalizer).items()
            ]
        write_json(folder / SCORES, {"scores": [score.model_dump(mode="json") for score in scores]})
        return Product([SCORES], items=texts[0].data.items)

    return as_prefect_state(compute_once(Store(store_url), plan, work))
