"""The ``metrics`` stage: every score that the references allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.analysis.measuring.joined_statistics import MeasuredTexts, join_shards, resample_all
from components.analysis.measuring.overview import FILE as OVERVIEW
from components.analysis.measuring.overview import LARGE, make_overview
from components.analysis.measuring.protocol import Protocol, make_protocol
from components.analysis.measuring.shard_statistics import list_shards
from components.analysis.measuring.worker import measure_shards
from components.analysis.texts_to_score import TextsToScore, align_texts
from components.extensions import Extensions, accept_methods, foreign_modules
from components.files.files import read_json, write_json
from components.metrics.libraries import scoring_libraries
from components.metrics.metric_names import split_metric
from components.metrics.normalizers import BY_LANGUAGE
from components.run_record import Score, StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.stages.reader import has_references
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from components.text.languages import WORDS_VERSION
from tasks.task_options import NOT_STORED, as_prefect_state

SCORES = "scores.json"
SENTENCE_SCORES: Extensions[Any] = Extensions(
    "antiphon.sentence_scores", "stage of sentence scores", accept_methods("score_sentences", "bind_staged")
)
"""Of metrics that a model computes; no other needs it."""


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


def _measure(
    texts: Sequence[TextsToScore],
    target_language: str | None,
    store: Store,
    normalizer: str,
    terms: Sequence[tuple[str, str]],
) -> tuple[list[MeasuredEntry], list[ShardHeader]]:
    """Return the statistics of stages of texts, and the headers of all their shards."""
    entries, stored = [], []
    for entry in texts:
        protocol = make_protocol(entry.language, target_language, normalizer, terms)
        is_counted = bool(terms) or has_references(entry.data)
        shards = list_shards(protocol, entry.data, entry.texts) if is_counted else []
        headers = measure_shards(store, protocol, shards)
        measured = join_shards(store, protocol, headers, entry.data.items)
        entries.append(MeasuredEntry(entry, protocol, measured))
        stored += headers
    resample_all(each.measured for each in entries)
    return entries, stored


class MeasuredEntry(NamedTuple):
    """An entry of the texts to score, and its statistics."""

    entry: TextsToScore
    protocol: Protocol
    measured: MeasuredTexts

    def score(self) -> dict[str, Score]:
        """Return the scores by the metrics that need no model."""
        rows, of_terms = self.protocol.counted, self.protocol.of_terms
        if of_terms and of_terms[0].name in self.measured.tables:  # the recall is the first
            rows = [*rows, *of_terms]
        return {row.name: self.measured.score(row) for row in rows if row.name in self.measured.tables}


def _score_by_model(
    entry: TextsToScore, target_language: str | None, scored: ModelScores, store: Store
) -> dict[str, Score]:
    """Return the score of a stage's texts by a model, whose sentence scores are stored."""
    metric = SENTENCE_SCORES.only().bind_staged(scored.metric, store)
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
    terms: Sequence[tuple[str, str]] = (),
) -> StageRef | State[StageRef]:
    """Score stages of texts against the references of their utterances, where these have any.

    Args:
        texts: the stages.
        target_language: of the run.
        store: where it is kept.
        normalizer: that transcripts are counted under.
        by_models: finished sentence scores, of metrics that models compute.
        terms: source and target of those of its nodes' lists; every stage is scored by them, those without
            a list, too.
    """
    named = {f"by_models{number}": split_metric(scored.metric)[0] for number, scored in enumerate(by_models)}
    # Signatures of metrics of others; ours are known by ``metrics.version``, before anything is imported.
    entries = texts if foreign_modules("antiphon.metrics") else ()
    protocols = [make_protocol(each.language, target_language, normalizer, terms) for each in entries]
    plan = StagePlan(
        stage="metrics",
        kind="metrics",
        version=f"metrics/{metrics.version}",
        parameters={
            "target_language": target_language,
            "scored": [[entry.prefix, entry.language] for entry in texts],
            **({} if normalizer == BY_LANGUAGE else {"normalizer": normalizer}),
            **({"by_models": named} if named else {}),
            **({"terms": [*map(list, terms)], "words": WORDS_VERSION} if terms else {}),
            **({"protocols": [each.fingerprint for each in protocols]} if protocols else {}),
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
        entries, shards = _measure(texts, target_language, store, normalizer, terms)
        for number, each in enumerate(entries):
            by_name = each.score()
            for scored in by_models:
                if scored.number == number:
                    by_name |= _score_by_model(each.entry, target_language, scored, store)
            prefix = each.entry.prefix
            scores += [
                score.model_copy(update={"name": f"{prefix}{name}"}) for name, score in by_name.items()
            ]
        write_json(folder / SCORES, {"scores": [score.model_dump(mode="json") for score in scores]})
        outputs = {each.protocol.languages.output: each.measured for each in entries if not each.entry.prefix}
        is_large = texts[0].data.items > LARGE
        if is_large:
            write_json(folder / OVERVIEW, make_overview(outputs).model_dump(mode="json"))
        files = [SCORES, OVERVIEW] if is_large else [SCORES]
        return StageFiles(files, items=texts[0].data.items, shards=shards)

    return as_prefect_state(compute_once(store, plan, work))
