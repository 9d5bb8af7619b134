"""E18: a second model that learns what the first gets wrong, beside a second seed and beside refinement."""

from __future__ import annotations

from pathlib import Path

from benchmarks.claims.boosting import boosting_learner, sentence_losses, weights_of
from benchmarks.claims.experiments.deliberation import train_deliberation
from benchmarks.claims.experiments.seeds import TRAINING, train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import score_sections
from benchmarks.claims.workspace import FLICKR16, FLICKR17, PACKAGED, Workspace, digest_of
from components.claims.measuring import by_metrics, gain_difference, two_level
from components.claims.verdict import Measured, Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.training.config import VERSION, TrainingConfig

TITLE = "Refinement is not boosting"
QUESTION = """
Boosting trains a second model on what the first gets wrong, and mixes both; refinement trains a second model
to read the first one's output. A second model of 1,500 updates learns from sentences weighted by the loss of
the first (a quarter to four times the mean) and is mixed with it, linearly and with equal shares. Is that
pair better or worse than two plain seeds mixed, and does it gain more over its first model than deliberation
gains over its start?
"""
SEEDS, OTHER_SEED = (1, 2, 3), 3
TESTS = (FLICKR16, FLICKR17)
FIRST, SECOND, PAIR, PLAIN = "first model", "boosted model alone", "first and boosted", "two seeds"
START, REFINED = "start of deliberation", "deliberation"


def train_boosted(work: Workspace, first: Path, seed: int) -> Path:
    """A model whose training sentences are weighted by the loss of ``first``; weights start from ``seed``."""
    config = TrainingConfig.model_validate({**TRAINING, "device": "cpu"})
    key = {"sentence losses": digest_of(first), "version": VERSION, "data": config.data}
    losses = work.cached(key, lambda: sentence_losses(first, config, work.folder / "sentence-losses"))
    learner = boosting_learner(weights_of(losses))
    return work.train(f"boosted-{seed}", learner=learner, seed=seed + 10, **TRAINING)


def run(work: Workspace, outputs: Outputs) -> None:
    """Train the boosted models, decode pairs; deliberation is that of its own experiment."""
    models = train_seeds(work, (*SEEDS, *(seed + OTHER_SEED for seed in SEEDS)))
    for seed in SEEDS:
        first, boosted = models[seed], train_boosted(work, models[seed], seed)
        systems: dict[str, list[Path | str]] = {
            FIRST: [first],
            SECOND: [boosted],
            PAIR: [first, boosted],
            PLAIN: [first, models[seed + OTHER_SEED]],
            START: [PACKAGED],
            REFINED: [train_deliberation(work, seed)],
        }
        for data in TESTS:
            utterances = work.utterances(data)
            for system, members in systems.items():
                texts = work.translate(utterances, members)
                outputs.add_translations(data, utterances, system, seed, texts)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons."""

    def of(system: str, metric: str) -> list[CorpusStatistics]:
        return [outputs.joined(TESTS, system, seed, metric) for seed in SEEDS]

    def gain(metric: str) -> Result:
        pair, first, refined, start = (of(system, metric) for system in (PAIR, FIRST, REFINED, START))
        return gain_difference((pair, first), (refined, start))

    metrics = ("bleu", "chrf")
    against_seeds = by_metrics(metrics, lambda metric: two_level(of(PAIR, metric), of(PLAIN, metric)))
    return {
        "refinement_not_boosting.boosting_against_seeds": against_seeds,
        "refinement_not_boosting.boosting_against_deliberation": by_metrics(metrics, gain),
    }


def page(outputs: Outputs) -> list[str]:
    """Scores of all systems."""
    return score_sections(outputs, TESTS)
