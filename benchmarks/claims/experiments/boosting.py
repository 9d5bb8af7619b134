"""E18: a second model that learns what the first gets wrong, beside a second seed and beside refinement."""

from __future__ import annotations

from pathlib import Path

from benchmarks.claims.boosting import boosting_learner, sentence_losses, weights_of
from benchmarks.claims.experiments import deliberation
from benchmarks.claims.outputs import Outputs, read_outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.small_models import settings, train_small
from benchmarks.claims.token_scores import score_tokens
from benchmarks.claims.workspace import FLICKR16, FLICKR17, Workspace
from components.claims.statistics.measuring import gain_difference, of_sums
from components.claims.systems.forced_scores import nats_per_token, sums_of_tokens
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.training.config import VERSION, TrainingConfig

TITLE = "Refinement is not boosting"
QUESTION = """
Boosting trains a second model on what the first gets wrong, and mixes both; refinement trains a second model
to read the first one's output. A second small model of 1,000 updates learns from sentences weighted by the
loss of the first (a quarter to four times the mean) and is mixed with it, linearly and with equal shares. Is
that pair better or worse than two plain seeds mixed, and does it gain more over its first model than
deliberation gains over its start (its own experiment, on the packaged model)?
"""
SEEDS, OTHER_SEED = (1, 2, 3), 3
TESTS = (FLICKR16, FLICKR17)
FIRST, SECOND, PAIR, PLAIN = "first model", "boosted model alone", "first and boosted", "two seeds"
SENTENCES = 400
"""Of each test set, whose references are scored."""


def train_boosted(work: Workspace, first: Path, seed: int) -> Path:
    """A model whose training sentences are weighted by the loss of ``first``; weights start from ``seed``."""
    config = TrainingConfig.model_validate(settings(work, device="cpu"))
    key = {"sentence losses": digest_of(first), "version": VERSION, "data": config.data}
    losses = work.cached(key, lambda: sentence_losses(first, config, work.folder / "sentence-losses"))
    learner = boosting_learner(weights_of(losses))
    return work.train(f"boosted-{seed}", learner=learner, seed=seed + 10, **settings(work))


def run(work: Workspace, outputs: Outputs) -> None:
    """Train the boosted models, decode pairs; deliberation is that of its own experiment."""
    models = train_small(work, (*SEEDS, *(seed + OTHER_SEED for seed in SEEDS)))
    for seed in SEEDS:
        first, boosted = models[seed], train_boosted(work, models[seed], seed)
        systems: dict[str, list[Path]] = {
            FIRST: [first],
            SECOND: [boosted],
            PAIR: [first, boosted],
            PLAIN: [first, models[seed + OTHER_SEED]],
        }
        for data in TESTS:
            utterances = work.utterances(data)
            for system, members in systems.items():
                texts = work.translate(utterances, members)
                outputs.add_translations(data, utterances, system, seed, texts)
            judged = utterances[:SENTENCES]
            scored = {s: [score_tokens(work, m, judged) for m in members] for s, members in systems.items()}
            outputs.measurements[f"nats {data} {seed}"] = {
                system: first.mixed_with(*others).sentence_sums()
                for system, (first, *others) in scored.items()
            }
            outputs.measurements[f"tokens {data}"] = scored[FIRST][0].sentence_tokens()


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons."""
    texts = compare_systems(outputs, TESTS, PAIR, PLAIN, SEEDS).by_metric
    measured = {
        "refinement_not_boosting.boosting_against_seeds": Measured(
            by_metric={"nats": _compare(outputs, PAIR, PLAIN)} | texts
        )
    }
    if refined := read_outputs("deliberation"):
        gains = {m: _gain(outputs, refined, m) for m in ("bleu", "chrf")}
        measured["refinement_not_boosting.boosting_against_deliberation"] = Measured(by_metric=gains)
    return measured


def _of(outputs: Outputs, system: str, metric: str) -> list[CorpusStatistics]:
    return [outputs.joined(TESTS, system, seed, metric) for seed in SEEDS]


def _compare(outputs: Outputs, first: str, second: str) -> Result:
    """Nats a token, both test sets as one."""
    tokens = [n for data in TESTS for n in outputs.measurements[f"tokens {data}"]]
    arms = (
        sums_of_tokens(
            [[x for data in TESTS for x in outputs.measurements[f"nats {data} {s}"][system]] for s in SEEDS],
            tokens,
        )
        for system in (first, second)
    )
    return of_sums(ItemSums(nats_per_token, *arms), f"{len(SEEDS)} seeds x {len(tokens)} sentences")


def _gain(outputs: Outputs, refined: Outputs, metric: str) -> Result:
    """What the second model gains over the first, less what deliberation gains over its start."""
    after = [refined.joined(TESTS, deliberation.SECOND, seed, metric) for seed in SEEDS]
    before = [refined.joined(TESTS, deliberation.START, 0, metric) for _ in SEEDS]
    return gain_difference((_of(outputs, PAIR, metric), _of(outputs, FIRST, metric)), (after, before))


def page(outputs: Outputs) -> list[str]:
    """Scores of all systems."""
    return score_sections(outputs, TESTS)
