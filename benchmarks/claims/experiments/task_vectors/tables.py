"""The tables of E2's page, from kept outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.claims.experiments.task_vectors.models import FORGOTTEN, LANGUAGES, METHODS, SEEDS
from benchmarks.claims.merging import SENTENCES
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import FLICKR16
from benchmarks.common.tables import markdown_table


def data_of(language: str) -> str:
    """The test set's name in the outputs."""
    return f"{FLICKR16} {language}"


def page(outputs: Outputs) -> list[str]:
    """BLEU by system and language, scales, and what else val says."""
    n = len(outputs.ids[data_of(LANGUAGES[0])])
    return [
        "## Scores",
        f"BLEU on the {n:,} sentences of {FLICKR16}, greedy, mean over {len(SEEDS)} seeds (range). The last "
        "column is the mean over languages of BLEU over that of the model fine-tuned on the language alone.",
        markdown_table(("system", *LANGUAGES, "mean", "of single-task BLEU"), _score_rows(outputs)),
        "## Scales, chosen by the mean BLEU of val",
        markdown_table(("system", *(f"seed {seed}" for seed in SEEDS)), _scale_rows(outputs)),
        "## Fine-tunings and SLERP on val",
        f"BLEU on the first {SENTENCES} sentences, greedy, mean over seeds.",
        markdown_table(("system", *LANGUAGES), _dev_rows(outputs)),
        f"## {FORGOTTEN} subtracted with growing scale, on val",
        markdown_table(("scale", *LANGUAGES), _negation_rows(outputs)),
    ]


def _score_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    def scores(system: str, language: str) -> list[float]:
        return [outputs.statistics(data_of(language), system, seed).score() for seed in SEEDS]

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
