"""Scores for a design on data without references, in place of those of the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from components.analysis.texts_to_score import Languages, align_records
from components.design.unreferenced import NODE, expected_statistics
from components.errors import DataError
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import get_metric, under_normalizer
from components.storage.stages.reader import read_utterances
from components.tuning.study import Try
from tasks.stages.searches.computed_try import ComputedTry, TryContext
from tasks.stages.searches.tries import compute_block

Scorer = Callable[[ComputedTry], CorpusStatistics]


def score_by_estimator(context: TryContext, estimator: str) -> Scorer:
    """Return how a system is scored by what the estimator in its graph expects."""
    metric = get_metric(context.objectives[0].metric)

    def score(each: ComputedTry) -> CorpusStatistics:
        return expected_statistics(metric, each.texts(NODE), each.n_utterances, estimator)

    return score


def score_by_agreement(context: TryContext, graph: dict[str, object], name: str) -> Scorer:
    """Return how a system is scored by how far its texts are those of another one, which is computed now.

    Args:
        context: of the search, or of the data to confirm on.
        graph: of the other system.
        name: of it, for the protocol.

    Raises:
        DataError: the other one cannot be computed.
    """
    planned = Try(number=0, settings={"graph": graph}, state="failed")
    witness = ComputedTry(replace(context, objectives=()), planned, context.make_pipeline(planned.settings))
    for rung, block in enumerate(context.blocks):
        compute_block(witness.context, [witness], rung, block)
        if witness.fault:
            raise DataError(f"{name}: {witness.fault}")
    objective = context.objectives[0]
    metric = under_normalizer(get_metric(objective.metric), context.normalizer)
    field = {"transcript": "transcript", "translation": "references"}[metric.output]
    said = {n.utterance_id: n.best.text for n in witness.texts(objective.node_in(witness.pipeline))}
    values = {key: text if field == "transcript" else (text,) for key, text in said.items()}

    def score(each: ComputedTry) -> CorpusStatistics:
        utterances = [
            u.model_copy(update={field: values[u.id]})
            for block in each.blocks[: len(each.results)]
            for u in read_utterances(block)
            if u.id in values
        ]
        node = objective.node_in(each.pipeline)
        best = {n.utterance_id: n.best for n in each.texts(node) if n.utterance_id in values}
        spoken = each.pipeline.is_spoken(node)
        languages = Languages(None if spoken else each.pipeline.language_of(node), each.target_language)
        absent = {u.id for u in utterances} - best.keys()
        n = each.n_utterances
        aligned = align_records(utterances, best, languages, n, absent=absent)
        table = None if aligned is None else aligned.units.measure(metric, aligned.segments, n)
        if table is None:
            raise DataError(f"{objective.name}: expected texts of {name} to agree with, found none")
        return replace(table, signature=f"agreement with {name}|{table.signature}")

    return score
