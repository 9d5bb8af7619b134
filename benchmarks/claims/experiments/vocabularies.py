"""E11: models of different vocabularies mixed token by token."""

from __future__ import annotations

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.small_models import choosing_set, settings, train_small
from benchmarks.claims.workspace import DEV, FLICKR16, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import best_on_dev
from components.claims.verdict import Measured

TITLE = "Models of different vocabularies, mixed token by token"
QUESTION = """
Pairs of a small model with the pieces of the packaged model and one with a sentencepiece vocabulary of its
own (4,000 pieces); both learn for 1,000 updates. They are mixed linearly over the union of both vocabularies
or over their intersection, whichever is better on val. Is the pair better than its better member on val? A
pair of one vocabulary, which differs in its seed alone, shows what mixing gains without that obstacle.
"""
SEEDS = (1, 2, 3)
OTHER_SEED = 3
"""Added to a seed for the second member of the pair of one vocabulary."""
SHARED, OTHER, SECOND, SAME = (
    "packaged pieces",
    "4,000 pieces",
    "packaged pieces, another seed",
    "pair of one vocabulary",
)
PAIRS = {sharing: f"pair over the {sharing}" for sharing in ("union", "intersection")}


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, decode the members and their pairs on val and on the test set."""
    models = train_small(work, (*SEEDS, *(seed + OTHER_SEED for seed in SEEDS)))
    for seed in SEEDS:
        first = models[seed]
        other = work.train(f"vocabulary-4000-{seed}", seed=seed, **settings(work, vocab_size=4000))
        for data in (DEV, FLICKR16):
            utterances = choosing_set(work, 400) if data == DEV else work.utterances(data)
            systems = {
                SHARED: work.translate(utterances, [first]),
                OTHER: work.translate(utterances, [other]),
                SECOND: work.translate(utterances, [models[seed + OTHER_SEED]]),
                SAME: work.translate(utterances, [first, models[seed + OTHER_SEED]]),
            }
            for sharing, system in PAIRS.items():
                systems[system] = work.translate(utterances, [first, other], mixing={"vocabulary": sharing})
            for system, texts in systems.items():
                outputs.add_translations(data, utterances, system, seed, texts)


def _best(outputs: Outputs, seed: int, systems: tuple[str, ...]) -> str:
    """The system of highest BLEU on val."""
    return best_on_dev({system: outputs.statistics(DEV, system, seed).score() for system in systems})


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison."""

    def against_best(pairs: tuple[str, ...], members: tuple[str, ...]) -> Measured:
        arms = ([(_best(outputs, seed, systems), seed) for seed in SEEDS] for systems in (pairs, members))
        return compare_systems(outputs, FLICKR16, *arms)

    return {
        "vocabularies.pair": against_best(tuple(PAIRS.values()), (SHARED, OTHER)),
        "vocabularies.same_vocabulary": against_best((SAME,), (SHARED, SECOND)),
    }


def page(outputs: Outputs) -> list[str]:
    """Choices on val, and the scores of all systems."""
    rows = [
        (str(seed), _best(outputs, seed, tuple(PAIRS.values())), _best(outputs, seed, (SHARED, OTHER)))
        for seed in SEEDS
    ]
    choices = markdown_table(("seed", "pair", "better member"), rows)
    return ["## Chosen on val", choices, *score_sections(outputs, (DEV, FLICKR16))]
