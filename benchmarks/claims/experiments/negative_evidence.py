"""E7: a translator adapted by language models of two domains, added and subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims.domain_split import DomainSplit
from benchmarks.claims.experiments.seeds import TRAINING, train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import difference_table, score_sections
from benchmarks.claims.texts import Pair, write_pairs
from benchmarks.claims.workspace import DEV, FLICKR16, FLICKR17, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.measuring import by_metrics, two_level
from components.claims.verdict import Measured, Result
from components.records import Utterance
from components.training.learners.language_model_learner import LanguageLearner

TITLE = "Negative evidence: a domain added, another subtracted"
QUESTION = """
Captions are split in two domains by k-means over the words of their English side: A, the larger, and B. A
translator learns from A only. Language models of the German of A and of B are trained with the same pieces.
Does log P = core + s (LM B - LM A) translate B better than the core does? Is the pair better than adding LM B
or subtracting LM A alone? The strength s is chosen by BLEU on the B of val, for each arm and seed.
"""
SEEDS = (1, 2, 3)
TESTS = (FLICKR16, FLICKR17)
STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5)
CORE, PLUS, MINUS, PAIR, BOTH = (
    "core (A only)",
    "core + s LM B",
    "core - s LM A",
    "core + s (LM B - LM A)",
    "trained on A and B",
)
LANGUAGE_MODEL = {"tokenizer": PACKAGED, "max_steps": 400, "eval_every": 100, "kind": "language_model"}


class Domains:
    """The split of Multi30k, learned on the English side of its training pairs."""

    def __init__(self, work: Workspace) -> None:
        self.work = work
        self.split = DomainSplit.learn([u.text or "" for u in work.utterances("train")])
        self._assigned: dict[str, list[tuple[Utterance, int]]] = {}

    def utterances(self, split: str, domain: int) -> list[Utterance]:
        """The utterances of a split in a domain (0 = A, 1 = B)."""
        if split not in self._assigned:
            utterances = self.work.utterances(split)
            domains = self.split.assign([u.text or "" for u in utterances]).tolist()
            self._assigned[split] = list(zip(utterances, domains, strict=True))
        return [utterance for utterance, own in self._assigned[split] if own == domain]

    def write(self, split: str, domain: int) -> str:
        """Its pairs as files; the data reference."""
        pairs: list[Pair] = [(u.text or "", u.references[0]) for u in self.utterances(split, domain)]
        return write_pairs(self.work.folder / "data", f"{split}-{'AB'[domain]}", pairs)


def train_core(work: Workspace, domains: Domains, seed: int) -> Path:
    """A translator of domain A."""
    data, dev = domains.write("train", 0), domains.write(DEV, 0)
    return work.train(f"domain-A-{seed}", seed=seed, data=data, dev=dev, **TRAINING)


def train_language_model(work: Workspace, domains: Domains, domain: int, seed: int) -> Path:
    """A language model of the German of a domain."""
    data, dev = domains.write("train", domain), domains.write(DEV, domain)
    name = f"lm-{'AB'[domain]}-{seed}"
    return work.train(name, learner=LanguageLearner, seed=seed, data=data, dev=dev, **LANGUAGE_MODEL)


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, choose strengths on val, decode B of the test sets (and A, to see what it costs there)."""
    domains = Domains(work)
    outputs.measurements["domains"] = {
        "words": [domains.split.typical_words(domain) for domain in (0, 1)],
        "training pairs": [len(domains.utterances("train", domain)) for domain in (0, 1)],
    }
    strengths: dict[str, dict[str, float]] = {arm: {} for arm in (PLUS, MINUS, PAIR)}
    complete = train_seeds(work, SEEDS)
    for seed in SEEDS:
        core = train_core(work, domains, seed)
        models = {domain: train_language_model(work, domains, domain, seed) for domain in (0, 1)}
        for arm in strengths:
            best = choose_strength(work, outputs, domains, seed, (arm, core, models))
            strengths[arm][str(seed)] = best
        for data in TESTS:
            for domain in (0, 1):
                utterances, name = domains.utterances(data, domain), f"{data}, {'AB'[domain]}"
                for system, model in ((CORE, core), (BOTH, complete[seed])):
                    texts = work.translate(utterances, [model])
                    outputs.add_translations(name, utterances, system, seed, texts)
                for arm, values in strengths.items():
                    texts = decode_arm(work, utterances, (arm, core, models), values[str(seed)])
                    outputs.add_translations(name, utterances, arm, seed, texts)
    outputs.measurements["strengths"] = strengths


Arm = tuple[str, Path, Mapping[int, Path]]
"""Name, core, and the language models by domain."""


def decode_arm(work: Workspace, utterances: Sequence[Utterance], arm: Arm, strength: float) -> dict[str, str]:
    """Translations by the core and one or both language models."""
    name, core, models = arm
    if name == PAIR:
        evidence = {"positive": str(models[1]), "negative": str(models[0]), "strength": strength}
        return work.translate(utterances, [core], mixing={"method": "negative_evidence", **evidence})
    model, sign = (models[1], 1) if name == PLUS else (models[0], -1)
    mixing: dict[str, Any] = {"method": "log_linear", "coefficients": [1.0, sign * strength]}
    return work.translate(utterances, [core, model], mixing=mixing)


def choose_strength(work: Workspace, outputs: Outputs, domains: Domains, seed: int, arm: Arm) -> float:
    """The strength of highest BLEU on B of val; all that were tried are kept."""
    utterances, data = domains.utterances(DEV, 1), "val, B"
    scores = {}
    for strength in STRENGTHS:
        system = f"{arm[0]}, s = {strength}"
        outputs.add_translations(data, utterances, system, seed, decode_arm(work, utterances, arm, strength))
        scores[strength] = outputs.statistics(data, system, seed).score()
    return max(scores, key=scores.__getitem__)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison, on B."""
    test = lambda metric: _compare(outputs, PAIR, CORE, metric=metric)  # noqa: E731
    return {"negative_evidence.pair": by_metrics(("bleu", "chrf"), test)}


def _compare(outputs: Outputs, first: str, second: str, domain: str = "B", metric: str = "bleu") -> Result:
    names = [f"{data}, {domain}" for data in TESTS]
    arms = [[outputs.joined(names, system, seed, metric) for seed in SEEDS] for system in (first, second)]
    return two_level(*arms)


def page(outputs: Outputs) -> list[str]:
    """The domains, strengths, scores, and differences that are not registered."""
    domains = outputs.measurements["domains"]
    rows = [
        (name, f"{pairs:,}", ", ".join(words))
        for name, pairs, words in zip("AB", domains["training pairs"], domains["words"], strict=True)
    ]
    lines = ["## The domains", "", markdown_table(("domain", "training pairs", "typical words"), rows), ""]
    strengths = outputs.measurements["strengths"]
    rows = [(arm, *(f"{values[str(seed)]:g}" for seed in SEEDS)) for arm, values in strengths.items()]
    header = ("strength chosen", *(f"seed {seed}" for seed in SEEDS))
    lines += ["## Strengths", "", markdown_table(header, rows), ""]
    lines += score_sections(outputs, [f"{name}, {domain}" for domain in "BA" for name in TESTS])
    others = ((PAIR, PLUS, "B"), (PAIR, MINUS, "B"), (PLUS, CORE, "B"), (BOTH, CORE, "B"), (PAIR, CORE, "A"))
    results = [
        (f"{first} less {second}, on {domain}", _compare(outputs, first, second, domain))
        for first, second, domain in others
    ]
    table = difference_table(results, ("BLEU", "mean", "95%"))
    return [*lines, "## Further differences (not registered)", "", table]
