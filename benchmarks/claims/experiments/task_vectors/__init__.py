"""E2: task vectors of three target languages: added, merged by TIES and DARE, and subtracted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.claims.experiments.task_vectors.models import (
    FORGOTTEN,
    LANGUAGES,
    METHODS,
    SEEDS,
    score_single_and_slerp,
    subtract,
    train_models,
)
from benchmarks.claims.experiments.task_vectors.tables import data_of, page
from benchmarks.claims.merging import dev_scores_of_recipe, merged, vector_recipe
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import over_tasks, two_level
from benchmarks.claims.verdict import Result
from benchmarks.claims.workspace import FLICKR16, Model, Workspace
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
        systems[system] = merged(work, recipes[max(curve, key=curve.__getitem__)])
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
            data_of(language), utterances, system, seed, texts, language, metrics=("bleu",), keep_texts=first
        )


def results(outputs: Outputs) -> dict[str, Result]:
    """The registered comparisons."""

    def of(system: str, language: str) -> list[CorpusStatistics]:
        return [outputs.statistics(data_of(language), system, seed) for seed in SEEDS]

    def mean_gain(system: str, baseline: str) -> Result:
        return over_tasks([(of(system, language), of(baseline, language)) for language in LANGUAGES])

    subtracted = f"{FORGOTTEN} subtracted", "random vector subtracted"
    return {
        "task_addition.addition": mean_gain("addition", "base"),
        "task_negation.negation": two_level(*(of(system, FORGOTTEN) for system in subtracted)),
        "ties.ties_against_mean": mean_gain("TIES", "mean"),
        "ties.ties_against_addition": mean_gain("TIES", "addition"),
    }
