"""E2: task vectors of three target languages: added, merged by TIES and DARE, and subtracted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from shutil import copytree

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.claims.merging import SENTENCES, dev_scores, dev_scores_of_recipe, merged, vector_recipe
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import bleu_of, over_tasks, two_level
from benchmarks.claims.verdict import Result
from benchmarks.claims.workspace import FLICKR16, Model, Workspace, digest_of
from benchmarks.common.tables import markdown_table
from components.experts.config import ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner
from components.merging.recipe.reader import parse_recipe
from components.metrics.corpus_statistics import CorpusStatistics

TITLE = "Task vectors: addition, TIES, DARE, negation"
QUESTION = """
A model learns to translate English into German, French and Czech (1,500 updates), and is then fine-tuned on
each language alone (300 updates each). A task vector is what a fine-tuning changed in the weights. Does the
model get better at all three languages when the three vectors are added to it, do TIES and DARE merge them
better than their mean or their sum, and does subtracting the Czech vector make the model forget Czech and
little else? Scales are chosen on 200 sentences of val; a random vector with the norm of the Czech one in
every matrix, subtracted with the same scale, is the control.
"""
SEEDS = (1, 2, 3)
LANGUAGES = ("de", "fr", "cs")
FORGOTTEN, OTHERS = "cs", ("de", "fr")
SHAPE = {"num_experts": 0, "ffn_dim": 512, "num_layers": 2, "vocab_size": 5000, "dropout": 0.1}
BASE = {
    **SHAPE,
    "batch_tokens": 1200,
    "max_steps": 1500,
    "eval_every": 250,
    "eval_sentences": 150,
    "average_checkpoints": 3,
}
TUNING = {
    **BASE,
    "max_steps": 300,
    "eval_every": 100,
    "average_checkpoints": 1,
    "learning_rate": 1e-3,
    "warmup_steps": 20,
    "lr_schedule": "linear",
}
JOINT = {**TUNING, "max_steps": 900, "eval_every": 300}
"""Fine-tuning on all three languages at once, with the updates of the three together."""
METHODS: dict[str, tuple[str, dict[str, float], tuple[float, ...]]] = {
    "addition": ("task_arithmetic", {}, (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
    "TIES": ("ties", {"density": 0.2}, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)),
    "DARE-TIES": ("dare_ties", {"density": 0.5}, (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
    "DARE-linear": ("dare_linear", {"density": 0.5}, (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
}
"""System -> merge method, its parameters, the scales that are tried."""
NEGATIVE_SCALES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
ALLOWED_LOSS = 1.0
"""BLEU that German and French together may lose on val, on average, when Czech is subtracted."""


def train_models(work: Workspace, seed: int) -> dict[str, Path]:
    """Base, a fine-tuning on each language and one on all of them."""
    name = f"multilingual-{seed}"
    base = _train(work, name, seed=seed, **BASE)
    models = {"base": base}
    for language in LANGUAGES:
        settings = {**TUNING, "seed": seed, "init_from": str(base), "target_language": language}
        models[language] = _train(work, f"{name}-{language}", **settings)
    models["joint"] = _train(work, f"{name}-joint", seed=seed, init_from=str(base), **JOINT)
    return models


def _train(work: Workspace, name: str, **settings: object) -> Path:
    return work.train(name, learner=MultilingualLearner, config=ExpertsConfig, **settings)


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
    systems |= _subtract(work, models, seed, outputs)
    for language in LANGUAGES:
        own = {f"fine-tuned on {language}": models[language]}
        _translate(work, outputs, seed, language, systems | own)
    outputs.measurements[f"scales {seed}"] = curves
    outputs.measurements[f"on val {seed}"] = _score_single_and_slerp(work, models)


def _score_single_and_slerp(work: Workspace, models: Mapping[str, Path]) -> dict[str, list[float]]:
    """BLEU on val, by language, of each fine-tuning and of the SLERP of each two, half way."""
    ones = {
        x: merged(work, vector_recipe("task_arithmetic", models["base"], [models[x]], 1.0)) for x in LANGUAGES
    }
    scores = {f"fine-tuned on {x}": dev_scores(work, model, LANGUAGES) for x, model in ones.items()}
    for a, b in combinations(LANGUAGES, 2):
        content = {"merge_method": "slerp", "base_model": str(ones[a]), "parameters": {"t": 0.5}}
        recipe = parse_recipe(json.dumps(content | {"models": [{"model": str(ones[b])}]}))
        scores[f"SLERP of {a} and {b}"] = dev_scores_of_recipe(work, recipe, LANGUAGES)
    return {system: [round(value, 2) for value in values] for system, values in scores.items()}


def _subtract(work: Workspace, models: Mapping[str, Path], seed: int, outputs: Outputs) -> dict[str, Model]:
    """The base less the Czech vector, at the scale that val allows, and less the random one."""
    base, tuned = models["base"], models[FORGOTTEN]
    random = work.make(
        f"random-{seed}-{digest_of(base)[:8]}-{digest_of(tuned)[:8]}",
        lambda folder: write_random_vector(base, tuned, folder, seed),
    )
    recipes = {s: vector_recipe("task_arithmetic", base, [tuned], -s) for s in NEGATIVE_SCALES}
    scores = {s: dev_scores_of_recipe(work, recipe, LANGUAGES) for s, recipe in recipes.items()}
    scores[0.0] = dev_scores(work, base, LANGUAGES)
    scale = pick_negative_scale(scores)
    outputs.measurements[f"negation {seed}"] = {
        "scale": scale,
        "curve": [[s, *(round(x, 2) for x in scores[s])] for s in sorted(scores)],
    }
    return {
        f"{FORGOTTEN} subtracted": merged(work, recipes[scale]),
        "random vector subtracted": merged(work, vector_recipe("task_arithmetic", base, [random], -scale)),
    }


def pick_negative_scale(scores: Mapping[float, Sequence[float]]) -> float:
    """The scale with the lowest Czech score among those at which the others lose little; 0.0 is the base."""
    others = [LANGUAGES.index(language) for language in OTHERS]
    kept = {scale: np.mean([values[i] for i in others]) for scale, values in scores.items()}
    allowed = [s for s in scores if s and kept[s] >= kept[0.0] - ALLOWED_LOSS] or [min(filter(None, scores))]
    return min(allowed, key=lambda scale: scores[scale][LANGUAGES.index(FORGOTTEN)])


def write_random_vector(base: Path, tuned: Path, folder: Path, seed: int) -> None:
    """Write ``base`` plus noise that has in every tensor the norm of ``tuned - base``."""
    copytree(base, folder)
    generator = torch.Generator().manual_seed(seed)
    before, after = load_file(base / "model.safetensors"), load_file(tuned / "model.safetensors")
    for name, weight in before.items():
        change = (after[name] - weight).norm()
        noise = torch.randn(weight.shape, generator=generator)
        before[name] = weight + noise * (change / noise.norm())
    save_file(before, folder / "model.safetensors", metadata={"format": "pt"})


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


def data_of(language: str) -> str:
    """The test set's name in the outputs."""
    return f"{FLICKR16} {language}"


def results(outputs: Outputs) -> dict[str, Result]:
    """The registered comparisons."""

    def of(system: str, language: str) -> list[CorpusStatistics]:
        return [outputs.statistics(data_of(language), system, seed) for seed in SEEDS]

    def mean_gain(system: str, baseline: str) -> Result:
        return over_tasks([(of(system, language), of(baseline, language)) for language in LANGUAGES])

    forgotten = f"{FORGOTTEN} subtracted", "random vector subtracted"
    return {
        "task_addition.addition": mean_gain("addition", "base"),
        "task_negation.negation": two_level(*(of(system, FORGOTTEN) for system in forgotten)),
        "ties.ties_against_mean": mean_gain("TIES", "mean"),
        "ties.ties_against_addition": mean_gain("TIES", "addition"),
    }


def page(outputs: Outputs) -> list[str]:
    """BLEU by system and language, scales, and what else val says."""
    n = len(outputs.ids[data_of(LANGUAGES[0])])
    return [
        "## Scores",
        "",
        f"BLEU on the {n:,} sentences of {FLICKR16}, greedy, mean over {len(SEEDS)} seeds (range). The last "
        "column is the mean over languages of BLEU over that of the model fine-tuned on the language alone.",
        "",
        markdown_table(("system", *LANGUAGES, "mean", "of single-task BLEU"), _score_rows(outputs)),
        "",
        "## Scales, chosen by the mean BLEU of val",
        "",
        markdown_table(("system", *(f"seed {seed}" for seed in SEEDS)), _scale_rows(outputs)),
        "",
        "## Fine-tunings and SLERP on val",
        "",
        f"BLEU on the first {SENTENCES} sentences, greedy, mean over seeds.",
        "",
        markdown_table(("system", *LANGUAGES), _dev_rows(outputs)),
        "",
        f"## {FORGOTTEN} subtracted with growing scale, on val",
        "",
        markdown_table(("scale", *LANGUAGES), _negation_rows(outputs)),
    ]


def _score_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    def scores(system: str, language: str) -> list[float]:
        return [bleu_of(outputs.statistics(data_of(language), system, seed)) for seed in SEEDS]

    single = {x: np.mean(scores(f"fine-tuned on {x}", x)) for x in LANGUAGES}
    for system in outputs.names(data_of(LANGUAGES[0])):
        if system.startswith("fine-tuned"):
            continue
        by_language = {x: scores(system, x) for x in LANGUAGES}
        cells = [f"{np.mean(v):.2f} ({min(v):.1f} to {max(v):.1f})" for v in by_language.values()]
        mean = np.mean(list(by_language.values()))
        share = np.mean([np.mean(v) / single[x] for x, v in by_language.items()])
        yield system, *cells, f"{mean:.2f}", f"{share:.3f}"
    yield "fine-tuned on that language", *(f"{v:.2f}" for v in single.values()), "", "1"


def _scale_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    for system in METHODS:
        curves = [outputs.measurements[f"scales {seed}"][system] for seed in SEEDS]
        best = (max(curve, key=lambda point: point[1]) for curve in curves)
        yield system, *(f"{scale:g} ({score:.2f})" for scale, score in best)
    yield f"{FORGOTTEN} subtracted", *(f"{outputs.measurements[f'negation {s}']['scale']:g}" for s in SEEDS)


def _dev_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    tables = [outputs.measurements[f"on val {seed}"] for seed in SEEDS]
    for system in tables[0]:
        means = np.mean([table[system] for table in tables], axis=0)
        yield system, *(f"{value:.2f}" for value in means)


def _negation_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    curves = np.array([outputs.measurements[f"negation {seed}"]["curve"] for seed in SEEDS])
    for scale, *values in curves.mean(axis=0):
        yield f"{scale:g}", *(f"{value:.2f}" for value in values)
