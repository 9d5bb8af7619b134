"""Minimum Bayes risk over samples: exact, aggregated and pruned, beside sacreBLEU's loop over all pairs."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from statistics import median

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from benchmarks.common.paths import data_set
from benchmarks.common.sections import Result, option
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis

PAGE = "speed-mbr"
SIZES = (256, 1024)
FORMS = ("exact", "aggregated", "pruned")
NAIVE = "sacreBLEU, pairwise"
NAIVE_ROWS = 16
"""Candidates that the loop compares with all others; its time is that of all of them, in proportion."""
METRICS: dict[str, CHRF | BLEU] = {"chrf": CHRF(), "bleu": BLEU(effective_order=True)}
MAX_EXCHANGED = 6

Texts = list[str]
OPTIONS = {"utterances": option(12), "rounds": option(3)}


def draw_samples(count: int, size: int, seed: int = 0) -> list[Texts]:
    """German captions, each in ``size`` versions in which up to six words are other words."""
    rng = random.Random(seed)
    lines = (data_set("multi30k") / "val.de").read_text(encoding="utf-8").splitlines()[:count]
    vocabulary = " ".join(lines).split()

    def version_of(line: str) -> str:
        words = line.split()
        for _ in range(rng.randint(0, MAX_EXCHANGED)):
            words[rng.randrange(len(words))] = rng.choice(vocabulary)
        return " ".join(words)

    return [[version_of(line) for _ in range(size)] for line in lines]


def rank(texts: Texts, utility: str, form: str) -> tuple[Hypothesis, ...]:
    """The candidates by expected utility, all samples with equal weights."""
    config = SystemCombinationConfig.model_validate(
        {"method": "minimum_bayes_risk", "utility": utility, "mbr": form, "n_best": len(texts), "scale": 0.0}
    )
    hypotheses = tuple(Hypothesis(text=text, score=0.0, n_tokens=1, system="s") for text in texts)
    return rank_by_expected_utility([SystemNBest("s", hypotheses)], config, "de")


def time_naively(texts: Texts, metric: CHRF | BLEU) -> float:
    """CPU seconds of sacreBLEU on all pairs of different texts, from some rows of them."""
    different = list(dict.fromkeys(texts))
    begun = time.process_time()
    for text in different[:NAIVE_ROWS]:
        for reference in different:
            metric.sentence_score(text, [reference])
    return (time.process_time() - begun) * len(different) / min(NAIVE_ROWS, len(different))


def time_form(texts: Texts, utility: str, form: str) -> tuple[float, tuple[Hypothesis, ...]]:
    """CPU seconds of a form, and its ranking."""
    begun = time.process_time()
    ranking = rank(texts, utility, form)
    return time.process_time() - begun, ranking


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """CPU seconds an utterance in every round, and how far the winner of each form is below the exact one."""
    for size in SIZES:
        pools = draw_samples(options.utterances, size)
        for utility, metric in METRICS.items():
            rank(pools[0], utility, "exact")
            yield Result(f"{utility}-{size}", _measure_pools(pools, utility, metric, options.rounds))


def _measure_pools(pools: list[Texts], utility: str, metric: CHRF | BLEU, rounds: int) -> dict[str, object]:
    seconds: dict[str, list[float]] = {name: [] for name in (*FORMS, NAIVE)}
    losses: dict[str, list[float]] = {form: [] for form in FORMS}
    left: dict[str, list[int]] = {form: [] for form in FORMS}
    for number in range(rounds):
        part = pools[number::rounds]
        spent = dict.fromkeys(seconds, 0.0)
        for texts in part:
            rankings = {}
            for form in FORMS:
                taken, rankings[form] = time_form(texts, utility, form)
                spent[form] += taken / len(part)
            spent[NAIVE] += time_naively(texts, metric) / len(part)
            exact = {h.text: h.features["expected_utility"] for h in rankings["exact"]}
            for form, ranking in rankings.items():
                losses[form].append(max(exact.values()) - exact[ranking[0].text])
                left[form].append(len(ranking))
        for name, taken in spent.items():
            seconds[name].append(taken)
    return {
        "seconds": {
            name: {"median": median(row), "lowest": min(row), "highest": max(row), "rounds": row}
            for name, row in seconds.items()
        },
        "losses": losses,
        "left": left,
        "utterances": len(pools),
        "rounds": rounds,
    }
