"""E5: n-best lists of several seeds, reranked by coefficients that were learned on development data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.claims.experiments.bagging import OVER_TRIPLES
from benchmarks.claims.experiments.seeds import train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, difference_table, score_sections
from benchmarks.claims.workspace import DEV, FLICKR16, FLICKR17, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import best_on_dev
from components.claims.systems.reranking import MINIMUM_RISK, RERANKING, Lists, combine, learn_coefficients
from components.claims.verdict import Measured, Result
from components.records import Utterance
from components.translation.config import TranslationConfig

TITLE = "Reranking the lists of three systems"
QUESTION = """
Four trainings that differ in their seed alone (1,500 updates); three of four are combined, in all four ways.
Each gives its five best translations, and one of the fifteen is chosen by a weighted sum of features:
log-probability, its mean per token, length, the systems' votes and the agreement with all others. The weights
are learned for BLEU on val by minimum error rate training. Is the choice better than the best of the three
systems on val? Beside it: minimum Bayes risk over the same lists, and the three mixed at every token.
"""
NUMBERS = (1, 2, 3, 4)
TESTS = (FLICKR16, FLICKR17)
SINGLE, BEST, RERANKED, RISK, MIXED = (
    "one seed",
    "best of three on val",
    "reranked lists",
    "minimum Bayes risk",
    "mixed at every token",
)


def list_translations(work: Workspace, utterances: Sequence[Utterance], model: Path) -> Lists:
    """The five best of a beam of 5, by id."""
    config = TranslationConfig(model=str(model), beam_size=5, n_best=5, batch_size=64, device="cpu")
    return work.list_translations(utterances, config)


def run(work: Workspace, outputs: Outputs) -> None:
    """Decode lists, learn on val, choose on the tests; the triple that leaves out number n is replicate n."""
    models = train_seeds(work, NUMBERS)
    sets = {data: work.utterances(data) for data in (DEV, *TESTS)}
    lists = {
        data: {number: list_translations(work, utterances, model) for number, model in models.items()}
        for data, utterances in sets.items()
    }
    for number, of_model in lists[DEV].items():
        texts = {key: nbest.best.text for key, nbest in of_model.items()}
        outputs.add_translations(DEV, sets[DEV], SINGLE, number, texts)
    scores = {number: outputs.statistics(DEV, SINGLE, number).score() for number in NUMBERS}
    for left_out, triple in zip(reversed(NUMBERS), combinations(NUMBERS, 3), strict=True):
        coefficients = learn_coefficients(
            work, sets[DEV], {f"seed {number}": lists[DEV][number] for number in triple}, "de"
        )
        outputs.measurements[f"coefficients {left_out}"] = coefficients
        reranking = RERANKING.model_copy(update={"coefficients": coefficients})
        for data in TESTS:
            of_triple = {f"seed {number}": lists[data][number] for number in triple}
            best = lists[data][best_on_dev({number: scores[number] for number in triple})]
            systems = {
                BEST: {key: nbest.best.text for key, nbest in best.items()},
                RERANKED: combine(sets[data], of_triple, reranking, "de"),
                RISK: combine(sets[data], of_triple, MINIMUM_RISK, "de"),
                MIXED: work.translate(sets[data], [models[number] for number in triple]),
            }
            for system, texts in systems.items():
                outputs.add_translations(data, sets[data], system, left_out, texts)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison, over the members of the four triples and sentences."""
    return {
        "reranking.against_best": compare_systems(outputs, TESTS, RERANKED, BEST, NUMBERS, **OVER_TRIPLES)
    }


def _bleu_less(outputs: Outputs, system: str, baseline: str) -> Result:
    how = {"metrics": ["bleu"], **OVER_TRIPLES}
    return compare_systems(outputs, TESTS, system, baseline, NUMBERS, **how).by_metric["bleu"]


def page(outputs: Outputs) -> list[str]:
    """Scores, what the other combinations differ by, and the coefficients."""
    lines = score_sections(outputs, TESTS)
    pairs = ((RISK, BEST), (MIXED, BEST), (MIXED, RERANKED), (RISK, RERANKED))
    others = [(f"{system} less {base}", _bleu_less(outputs, system, base)) for system, base in pairs]
    header = ("difference in BLEU, both sets", "mean over triples", "95%", "could see")
    lines += ["## Other combinations (not registered)", difference_table(others, header)]
    lines += ["## Tokens of the outputs over those of the references", _length_table(outputs)]
    learned = {number: outputs.measurements[f"coefficients {number}"] for number in NUMBERS}
    names = sorted({name for coefficients in learned.values() for name in coefficients})
    cells = [(name, *(f"{learned[number].get(name, 0.0):.4g}" for number in NUMBERS)) for name in names]
    columns = ("feature", *(f"without seed {number}" for number in NUMBERS))
    return [*lines, "## Coefficients", markdown_table(columns, cells)]


def _length_table(outputs: Outputs) -> str:
    """How long the outputs of each system are: BLEU punishes what is shorter than its references."""
    rows = []
    for data in (DEV, *TESTS):
        for system in outputs.names(data):
            tables = [outputs.statistics(data, system, seed).rows for seed in outputs.seeds(system, data)]
            own, reference = np.sum(tables, axis=(0, 1))[:2]
            rows.append((data, system, f"{own / reference:.3f}"))
    return markdown_table(("data", "system", "ratio"), rows)
