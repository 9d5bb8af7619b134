"""E23: seeds, checkpoints, dropout, bags and reranked lists again, on technical manuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.claims.domains import manuals
from benchmarks.claims.experiments.bagging import NUMBERS, OVER_TRIPLES, TRIPLES
from benchmarks.claims.experiments.reranking import list_translations
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.small_models import SHAPE
from benchmarks.claims.texts import write_pairs
from benchmarks.claims.workspace import Workspace
from components.claims.selection import best_on_dev
from components.claims.systems.reranking import RERANKING, combine, learn_coefficients
from components.claims.verdict import Measured
from components.records import Utterance

TITLE = "Ensembles of small translators of technical manuals"
QUESTION = """
Does another domain say of ensembles what captions say? Debian's references and LibreOffice's help, English to
German: four small models (2 + 2 layers, 800 updates of 1,000 pieces, one vocabulary of 4,000 pieces) that
differ in their seed, and four on bootstrap samples. Three of four are mixed, in all four ways; five
checkpoints of one training; four dropout masks of one model; lists of three models, reranked by coefficients
for BLEU on dev. Every comparison is that of captions.
"""
DEV, TEST = "manuals, dev", "manuals, test"
HELD_OUT = {DEV: 200, TEST: 600}
"""Pairs more than the domain's dev and test sets have, taken off the end of its training set."""
CHECKPOINTS = (400, 500, 600, 700, 800)
FEW = (1, 2, 3)
"""Seeds whose checkpoints and masks are mixed."""
SEED, BAG = "one seed", "a bag"
SEEDS, BAGS, RERANKED = "3 seeds mixed", "3 bags mixed", "reranked lists"
MIXED, MASKS = "5 checkpoints", "4 masks"


def _training(work: Workspace) -> dict[str, Any]:
    """Settings of every training, but for its vocabulary."""
    domain, folder = manuals(), work.folder / "data"
    return SHAPE | {
        "data": write_pairs(folder, "technical-train", domain.train[: -sum(HELD_OUT.values())]),
        "dev": write_pairs(folder, "technical-watched", domain.dev[:64]),
        "max_steps": CHECKPOINTS[-1],
        "average_checkpoints": len(CHECKPOINTS),
        "keep_checkpoints": len(CHECKPOINTS),
    }


def _train(work: Workspace) -> dict[str, dict[int, Path]]:
    """The models of seeds and of bags; the first one makes the vocabulary of all."""
    settings = _training(work)
    first = work.train("technical-1", seed=1, vocab_size=4000, **settings)
    settings["tokenizer"] = str(first)
    others = {n: work.train(f"technical-{n}", seed=n, **settings) for n in NUMBERS[1:]}
    bags = {n: work.train(f"technical-bag-{n}", seed=n, bag=n, **settings) for n in NUMBERS}
    return {SEED: {NUMBERS[0]: first, **others}, BAG: bags}


def _sets(work: Workspace) -> dict[str, list[Utterance]]:
    """Dev and test sets; no training has seen a sentence of them."""
    domain = manuals()
    count = sum(HELD_OUT.values())
    rest = {DEV: domain.train[-count : -HELD_OUT[TEST]], TEST: domain.train[-HELD_OUT[TEST] :]}
    own = {DEV: domain.dev, TEST: domain.test}
    folder = work.folder / "data"
    return {
        data: work.utterances(write_pairs(folder, data.replace(", ", "-"), [*own[data], *rest[data]]))
        for data in own
    }


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, decode, mix, learn on dev."""
    models, sets = _train(work), _sets(work)
    test = sets[TEST]

    def keep(system: str, number: int, members: Sequence[str | Path]) -> None:
        outputs.add_translations(TEST, test, system, number, work.translate(test, members))

    for single, mixture in ((SEED, SEEDS), (BAG, BAGS)):
        for n in NUMBERS:
            keep(single, n, [models[single][n]])
            keep(mixture, n, [models[single][other] for other in TRIPLES[n - 1]])
    for n in FEW:
        keep(MIXED, n, [work.checkpoint(f"technical-{n}", step) for step in CHECKPOINTS])
        keep(MASKS, n, [f"dropout:{models[SEED][n]}"] * 4)
    lists = {
        data: {n: list_translations(work, own, model) for n, model in models[SEED].items()}
        for data, own in sets.items()
    }
    for n, of_model in lists[DEV].items():
        texts = {key: nbest.best.text for key, nbest in of_model.items()}
        outputs.add_translations(DEV, sets[DEV], SEED, n, texts)
    for n in NUMBERS:
        of_dev, of_test = ({f"seed {m}": lists[data][m] for m in TRIPLES[n - 1]} for data in (DEV, TEST))
        coefficients = learn_coefficients(work, sets[DEV], of_dev, "de")
        outputs.measurements[f"coefficients {n}"] = coefficients
        weighed = RERANKING.model_copy(update={"coefficients": coefficients})
        outputs.add_translations(TEST, test, RERANKED, n, combine(test, of_test, weighed, "de"))


def results(outputs: Outputs) -> Mapping[str, Measured]:
    """The registered comparisons: over the members of the four triples, or over seeds, and sentences."""
    on_dev = {n: outputs.statistics(DEV, SEED, n).score() for n in NUMBERS}
    best = [best_on_dev({n: on_dev[n] for n in triple}) for triple in TRIPLES]

    compare = partial(compare_systems, outputs, TEST)
    best_seeds = [(SEED, n) for n in best]
    return {
        "ensembling.on_manuals": compare(SEEDS, best_seeds, NUMBERS, **OVER_TRIPLES),
        "reranking.on_manuals": compare(RERANKED, best_seeds, NUMBERS, **OVER_TRIPLES),
        "bagging.on_manuals": compare(BAGS, SEED, NUMBERS, **OVER_TRIPLES),
        "checkpoints.on_manuals": compare(MIXED, SEED, FEW),
        "dropout.on_manuals": compare(MASKS, SEED, FEW),
    }


def page(outputs: Outputs) -> list[str]:
    """Scores of all systems."""
    return score_sections(outputs, (TEST,))
