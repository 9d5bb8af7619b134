"""Combining finished outputs: ours against sacreBLEU's pairwise loops, CPU time, interleaved rounds."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from statistics import median

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from benchmarks.common.paths import data_set
from benchmarks.common.sections import Result, section_parser
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.voting.rover import combine_by_rover
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis

PAGE = "speed-pools"
SYSTEMS, HYPOTHESES = 5, 5


def load_systems(count: int, seed: int = 0) -> list[list[SystemNBest]]:
    """German captions, each with 25 versions in which up to four words are other words."""
    rng = random.Random(seed)
    lines = (data_set("multi30k") / "val.de").read_text(encoding="utf-8").splitlines()[:count]
    vocabulary = " ".join(lines).split()

    def version_of(line: str, rank: int) -> Hypothesis:
        words = line.split()
        for _ in range(rng.randint(0, 4)):
            words[rng.randrange(len(words))] = rng.choice(vocabulary)
        return Hypothesis(text=" ".join(words), score=-float(rank), n_tokens=len(words), system="x")

    return [
        [
            SystemNBest(f"s{system}", tuple(version_of(line, rank) for rank in range(HYPOTHESES)))
            for system in range(SYSTEMS)
        ]
        for line in lines
    ]


def risk(utility: str) -> Callable[[list[SystemNBest]], object]:
    config = SystemCombinationConfig.model_validate({"method": "minimum_bayes_risk", "utility": utility})
    return lambda offers: rank_by_expected_utility(offers, config, "de")


def pairwise_utilities(metric: CHRF | BLEU) -> Callable[[list[SystemNBest]], object]:
    """sacreBLEU on every pair of different texts."""

    def run(offers: list[SystemNBest]) -> object:
        texts = list(dict.fromkeys(h.text for offer in offers for h in offer.hypotheses))
        return [[metric.sentence_score(a, [b]).score for b in texts] for a in texts]

    return run


ROWS: dict[str, Callable[[list[SystemNBest]], object]] = {
    "minimum Bayes risk, chrF": risk("chrf"),
    "sacreBLEU chrF, pairwise": pairwise_utilities(CHRF()),
    "minimum Bayes risk, BLEU": risk("bleu"),
    "sacreBLEU BLEU, pairwise": pairwise_utilities(BLEU(effective_order=True)),
    "minimum Bayes risk, WER": risk("wer"),
    "ROVER": lambda offers: combine_by_rover(offers, SystemCombinationConfig(), "de"),
}


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.speed pools", __doc__)
    section.add_argument("--utterances", type=int, default=60)
    section.add_argument("--rounds", type=int, default=3)
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Milliseconds an utterance, which are seconds for 1,000, of every method in every round."""
    drawn = load_systems(options.utterances)
    for run in ROWS.values():
        run(drawn[0])
    spent: dict[str, list[float]] = {name: [] for name in ROWS}
    for number in range(options.rounds):
        part = drawn[number :: options.rounds]
        for name, run in ROWS.items():
            begun = time.process_time()
            for offers in part:
                run(offers)
            spent[name].append(1000 * (time.process_time() - begun) / len(part))
    methods = {
        name: {"median": median(row), "lowest": min(row), "highest": max(row), "rounds": row}
        for name, row in spent.items()
    }
    size = {"systems": SYSTEMS, "hypotheses": HYPOTHESES, "utterances": len(drawn), "rounds": options.rounds}
    yield Result("seconds", {**size, "methods": methods})
