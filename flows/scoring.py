"""Scores of a run, and the analyses that its nodes ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.analysis.analysis import analysis_named
from components.analysis.texts_to_score import TextsToScore, find_terms, find_texts_to_score
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.sentence_scores import name_stage
from components.pipeline.pipeline import Pipeline
from flows.run import Run
from tasks.progress import show_phase
from tasks.stages import metrics
from tasks.stages.analysis import run_analysis
from tasks.task_options import label_task, unwrap


def score(run: Run, pipeline: Pipeline, normalizer: str = BY_LANGUAGE) -> None:
    """Score every node that gives texts for which there are references."""
    scored = find_texts_to_score(pipeline, run.stages)
    if scored:
        show_phase("scoring")
        target = pipeline.languages[1]
        by_models = score_by_models(run, scored, target)
        task = label_task(metrics.score_texts, run.label)
        terms = find_terms(pipeline)
        ref = run.add(task(scored, target, run.store, normalizer, by_models, terms))
        run.metrics = metrics.read_scores(ref)


def analyze(run: Run, pipeline: Pipeline, normalizer: str = BY_LANGUAGE) -> None:
    """Find out what the nodes of a run ask for, once it is scored."""
    for kind in dict.fromkeys(kind for node in pipeline for kind in node.facts.all_analyses):
        analysis = analysis_named(kind)
        request = analysis.request_of(run.record, pipeline, run.store, normalizer)
        if request is not None:
            show_phase(f"analyzing {kind}")
            ref = run.add(run_analysis(kind, request, run.store, run.label))
            run.metrics |= analysis.scores(analysis.read(ref))


def score_by_models(
    run: Run, scored: Sequence[TextsToScore], target: str | None
) -> list[metrics.ModelScores]:
    """Score the translations that are outputs by the metrics of models that the parameters name."""
    by_models = []
    for metric in getattr(run.parameters, "model_metrics", ()):
        for number, entry in enumerate(scored):
            if entry.prefix or entry.language is None:
                continue
            show_phase(f"scoring by {metric}")
            task: Any = label_task(metrics.SENTENCE_SCORES.only().score_sentences, run.label)
            stage = unwrap(task(entry, metric, target, run.store))
            if stage is None:
                run.notes.append(
                    f"{metric}: nothing has all that it reads (docs/evaluation/metrics.md); not scored"
                )
                continue
            ref = run.add(stage, name_stage(entry.texts.stage, metric))
            by_models.append(metrics.ModelScores(number, metric, ref))
    return by_models
