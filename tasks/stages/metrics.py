"""The ``metrics`` stage: every score that the references allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.analysis.texts_to_score import TextsToScore, align_texts
from components.files.files import read_json, write_json
from components.metrics.libraries import scoring_libraries
from components.metrics.metric_names import split_metric
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.table import metrics_of, term_metrics
from components.run_record import Score, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from components.text.term_list import Term
from tasks.stages.sentence_scores import bind_staged
from tasks.task_options import NOT_STORED, as_prefect_state

SCORES = "scores.json"


class ModelScores(NamedTuple):
    """The sentence scores of one entry of the texts to score.

    Attributes:
        number: of the entry.
        metric: ``NAME:MODEL``.
        stage: the scores.
    """

    number: int
    metric: str
    stage: StageRef


def _score(
    entry: TextsToScore, target_language: str | None, normalizer: str, terms: Sequence[Term]
) -> dict[str, Score]:
    """Return the scores of a stage's texts by the metrics that need no model."""
    aligned = align_texts(entry, target_language)
    if aligned is None:
        return {}
    rows = list(metrics_of(aligned.output, normalizer).values())
    is_transcript = aligned.output == "transcript"
    phrases = [text for term in terms if (text := term.source if is_transcript else term.target)]
    of_terms = term_metrics(phrases, aligned.output, normalizer) if phrases else []
    if of_terms and of_terms[0].select(aligned.segments).ids:  # the recall is the first
        rows += of_terms
    return aligned.units.score(rows, aligned.segments, entry.data.items)


def _score_by_model(
    entry: TextsToScore, target_language: str | None, scored: ModelScores, store: Store
) -> dict[str, Score]:
    """Return the score of a stage's texts by a model, whose sentence scores are stored."""
    metric = bind_staged(scored.metric, store)
    aligned = align_texts(entry, target_language, with_references="reference" in metric.needs)
    assert aligned is not None
    return aligned.units.score([metric], aligned.segments, entry.data.items)


def read_scores(ref: StageRef) -> dict[str, Score]:
    """Return the scores of a ``metrics`` stage by name, in the order in which they were computed."""
    values = read_json(Path(ref.path) / SCORES)["scores"]
    return {score.name: score for score in map(Score.model_validate, values)}


@task(name="metrics", task_run_name="metrics", **NOT_STORED)
def score_texts(
    texts: Sequence[TextsToScore],
    target_language: str | None,
    store: Store,
    normalizer: str = BY_LANGUAGE,
    by_models: Sequence[ModelScores] = (),
    terms: Sequence[Term] = (),
) -> StageRef | State[StageRef]:
    """Score stages of texts against the references of their utterances, where these have any.

    Args:
        texts: the stages.
        target_language: of the run.
        store: where it is kept.
        normalizer: that transcripts are counted under.
        by_models: finished sentence scores, of metrics that models compute.
        terms: of the lists of its nodes; every stage is scored by them, those without a list, too.
    """
    named = {f"by_models{number}": split_metric(scored.metric)[0] for number, scored in enumerate(by_models)}
    plan = StagePlan(
        stage="metrics",
        kind="metrics",
        version=f"metrics/{metrics.version}",
        parameters={
            "target_language": target_language,
            "scored": [[entry.prefix, entry.language] for entry in texts],
            **({} if normalizer == BY_LANGUAGE else {"normalizer": normalizer}),
            **({"by_models": named} if named else {}),
            **({"terms": [[term.source, term.target] for term in terms]} if terms else {}),
        },
        upstream={
            f"{number}{role}": content_of(ref)
            for number, entry in enumerate(texts)
            for role, ref in (("data", entry.data), ("texts", entry.texts))
        }
        | {role: content_of(scored.stage) for role, scored in zip(named, by_models, strict=True)},
        libraries=scoring_libraries(normalizer),
    )

    def work(folder: Path) -> StageFiles:
        scores: list[Score] = []
        for number, entry in enumerate(texts):
            by_name = _score(entry, target_language, normalizer, terms)
            for scored in by_models:
                if scored.number == number:
                    by_name |= _score_by_model(entry, target_language, scored, store)
            scores += [
                score.model_copy(update={"name": f"{entry.prefix}{name}"}) for name, score in by_name.items()
            ]
        write_json(folder / SCORES, {"scores": [score.model_dump(mode="json") for score in scores]})
        return StageFiles([SCORES], items=texts[0].data.items)

    return as_prefect_state(compute_once(store, plan, work))
