"""E3b: members trained on bootstrap samples against members that differ in their seed."""

from __future__ import annotations

from functools import partial

from benchmarks.claims.experiments.seeds import TRAINING, train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.workspace import FLICKR16, FLICKR17, MSCOCO, Workspace
from components.claims.verdict import Measured

TITLE = "Bagging: bootstrap samples against seeds"
QUESTION = """
Four trainings on bootstrap samples of the pairs (as many draws with replacement as there are pairs, so that
about 63% of them are seen) and four on all pairs; each also has a seed of its own, otherwise they are alike
(1,500 updates). Three of four are mixed, linearly and with equal shares, in all four ways. Is an ensemble of
bags better than one model of all pairs, and is it better than an ensemble of seeds, which costs as much?
"""
NUMBERS = (1, 2, 3, 4)
TESTS = (FLICKR16, FLICKR17)
TRIPLES = [tuple(other for other in NUMBERS if other != number) for number in NUMBERS]
"""Members of replicate n: all but number n."""
OF_FOUR = "triples of 4 members"
OVER_TRIPLES = {"replicates": OF_FOUR, "members": TRIPLES}
SEED, BAG, SEEDS, BAGS = "a model of all pairs", "a bag", "3 seeds mixed", "3 bags mixed"


def run(work: Workspace, outputs: Outputs) -> None:
    """Train the bags; decode single models, and the triple that leaves out number n as replicate n."""
    seeds = train_seeds(work, NUMBERS)
    # Bootstrap sample, initial weights and order of a bag are of one seed.
    bags = {n: work.train(f"bag-{n}", seed=n, bag=n, **TRAINING) for n in NUMBERS}
    for data in (*TESTS, MSCOCO):
        utterances = work.utterances(data)
        for single, mixture, models in ((SEED, SEEDS, seeds), (BAG, BAGS, bags)):
            for number in NUMBERS:
                triple = [models[other] for other in TRIPLES[number - 1]]
                for system, members in ((single, [models[number]]), (mixture, triple)):
                    texts = work.translate(utterances, members)
                    outputs.add_translations(data, utterances, system, number, texts)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons, over the members of the four triples and sentences."""
    against = partial(compare_systems, outputs, TESTS, BAGS, seeds=NUMBERS, **OVER_TRIPLES)
    return {"bagging.bags_against_one": against(SEED), "bagging.bags_against_seeds": against(SEEDS)}


def page(outputs: Outputs) -> list[str]:
    """Scores of single models and of mixtures."""
    return score_sections(outputs, (*TESTS, MSCOCO))
