"""E3a: one model with dropout at test time, several masks mixed, against the model without dropout."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.claims.experiments.seeds import train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_table
from benchmarks.claims.workspace import FLICKR16, Workspace
from components.claims.verdict import Measured

TITLE = "Dropout at test time as an ensemble"
QUESTION = """
Three trainings of the experiment seeds. Does a model with dropout on, four random masks mixed at every token
(linear, equal shares), translate better than the same model without dropout? It costs four times the
decoding and no training.
"""
SEEDS = (1, 2, 3)
PLAIN, MASKS = "without dropout", "4 masks"


def run(work: Workspace, outputs: Outputs) -> None:
    """Train and decode."""
    utterances = work.utterances(FLICKR16)
    for seed, model in train_seeds(work, SEEDS).items():
        for system, members in ((PLAIN, [model]), (MASKS, [f"dropout:{model}"] * 4)):
            texts = work.translate(utterances, members)
            outputs.add_translations(FLICKR16, utterances, system, seed, texts)


def results(outputs: Outputs) -> Mapping[str, Measured]:
    """The registered comparison."""
    return {"dropout.masks_against_own_model": compare_systems(outputs, FLICKR16, MASKS, PLAIN, SEEDS)}


def page(outputs: Outputs) -> list[str]:
    """Scores of all models."""
    return ["## Scores, beam 5", score_table(outputs, FLICKR16)]
