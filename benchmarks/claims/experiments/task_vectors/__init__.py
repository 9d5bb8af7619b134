"""E2: task vectors of three target languages: added, merged by TIES and DARE, and subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.claims.experiments.task_vectors.models import (
    ALLOWED_LOSS,
    FORGOTTEN,
    LANGUAGES,
    METHODS,
    SEEDS,
    pick_negative_scale,
    score_single_and_slerp,
    subtract,
    train_models,
)
from benchmarks.claims.experiments.task_vectors.tables import data_of, page
from benchmarks.claims.merging import dev_scores_of_recipe, merged, vector_recipe
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import FLICKR16, Workspace
from components.claims.selection import choose_on_grid, refuse_edges
from components.claims.statistics.measuring import by_metrics, over_tasks, two_level
from components.claims.systems.workbench import Model
from components.claims.verdict import Measured, Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics

__all__ = ["QUESTION", "TITLE", "page", "results", "run"]

TITLE = "Task vectors: addition, TIES, DARE, negation"
QUESTION = """
A model learns to translate English into German, French and Czech (1,500 updates), and is then fine-tuned on
each language alone (300 updates each). A task vector is what a fine-tuning changed in the weights. Does the
model get better at all three languages when the three vectors are added to it, do TIES and DARE merge them
better than their mean or their sum, and does subtracting the Czech vector make the model forget Czech and
little else? Scales are chosen on 200 sentences of val; a random vector with the norm of the Czech one in
every matrix, subtracted with the same scale, is the control.
"""


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, merge, choose scales on val, translate the test set into three languages."""
    for seed in SEEDS:
        run_seed(work, outputs, seed)


def run_seed(work: Workspace, outputs: Outputs, seed: int) -> None:
    """Everything of one seed."""
    models = train_models(work, seed)
    tuned = [models[language] for language in LANGUAGES]
    systems: dict[str, Model] = {"base": models["base"], "joint fine-tuning": models["joint"]}
    systems["mean"] = merged(work, vector_recipe("task_arithmetic", models["base"], tuned, 1 / 3))
    curves = {}
    for system, (method, parameters, scales) in METHODS.items():
        recipes = {s: vector_recipe(method, models["base"], tuned, s, **parameters) for s in scales}
        curve = {s: float(np.mean(dev_scores_of_recipe(work, r, LANGUAGES))) for s, r in recipes.items()}
        curves[system] = [[scale, round(score, 3)] for scale, score in curve.items()]
        systems[system] = merged(work, recipes[choose_on_grid(curves[system])])
    systems |= subtract(work, models, seed, outputs)
    for language in LANGUAGES:
        own = {f"fine-tuned on {language}": models[language]}
        _translate(work, outputs, seed, language, systems | own)
    outputs.measurements[f"scales {seed}"] = curves
    outputs.measurements[f"on val {seed}"] = score_single_and_slerp(work, models)


def _translate(
    work: Workspace, outputs: Outputs, seed: int, language: str, systems: Mapping[str, Model]
) -> None:
    utterances = work.utterances(FLICKR16, ("en", language))
    for system, model in systems.items():
        texts = work.translate(utterances, [model], beam_size=1)
        first = seed == SEEDS[0]
        outputs.add_translations(
            data_of(language), utterances, system, seed, texts, language, keep_texts=first
        )


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; without an answer where a scale lies at the edge of its grid."""

    def of(system: str, language: str, metric: str) -> list[CorpusStatistics]:
        return [outputs.statistics(data_of(language), system, seed, metric) for seed in SEEDS]

    def mean_gain(system: str, baseline: str, refused: Sequence[str]) -> Measured:
        def test(metric: str) -> Result:
            return over_tasks([(of(system, x, metric), of(baseline, x, metric)) for x in LANGUAGES])

        return by_metrics(metrics, test, refused)

    metrics = list(outputs.systems[0].statistics)
    addition, ties = (_refuse_scales(outputs, system) for system in ("addition", "TIES"))
    subtracted = f"{FORGOTTEN} subtracted", "random vector subtracted"
    return {
        "task_addition.addition": mean_gain("addition", "base", addition),
        "task_negation.negation": by_metrics(
            metrics,
            lambda m: two_level(*(of(system, FORGOTTEN, m) for system in subtracted)),
            _refuse_negation(outputs),
        ),
        "ties.ties_against_base": mean_gain("TIES", "base", ties),
        "ties.ties_against_mean": mean_gain("TIES", "mean", ties),
        "ties.ties_against_addition": mean_gain("TIES", "addition", [*ties, *addition]),
    }


def _refuse_scales(outputs: Outputs, system: str) -> tuple[str, ...]:
    curves = {seed: outputs.measurements[f"scales {seed}"][system] for seed in SEEDS}
    return refuse_edges({f"scale of {system}, seed {s}": c for s, c in curves.items()}, natural=(0.0,))


def _refuse_negation(outputs: Outputs) -> list[str]:
    """Seeds in which no scale keeps the other languages, or the chosen one is an edge."""
    refused = []
    for seed in SEEDS:
        measured = outputs.measurements[f"negation {seed}"]
        scores = {scale: values for scale, *values in measured["curve"]}
        scale = pick_negative_scale(scores)
        tried = sorted(filter(None, scores))
        if scale is None:
            refused.append(f"seed {seed}: no scale keeps German and French within {ALLOWED_LOSS:g} BLEU")
        elif scale in (tried[0], tried[-1]):
            refused.append(f"seed {seed}: scale {scale:g} is at the edge of {len(tried)} values tried")
    return refused
