"""Merge methods on a translator fine-tuned to three domains, for the page of merging's frontier.

Domains: short everyday sentences (Tatoeba), captions whose German is in lower case, and captions whose
English has typing errors. Each domain has 600 pairs to learn from, 80 to choose scales by (beam 1, mean BLEU
of the three), and its own test set. Everything is kept in WORK, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_by_metric
from benchmarks.quality.merging.fine_tuning import COMMON, START, multi30k, pair, tatoeba
from benchmarks.quality.merging.methods import METHODS as MERGES
from benchmarks.quality.merging.methods import Method, make_merged
from components.data import load
from components.merging.merge import MergeOptions
from components.merging.methods.table import METHODS as MERGE_METHODS
from components.merging.statistics.data_sets import DataSets
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.table import METRICS
from components.records import NBest
from components.training.config import TrainingConfig
from components.training.loop import trainer
from components.translation.config import TranslationConfig
from components.translation.factory import build

PAGE = "merging-frontier"
DOMAINS = ("tatoeba", "lower", "typos")
PAIRS, DEV, TEST = 600, 80, 300
OPTIONS = {
    "work": option(Path, "keeps models and texts", required=True),
    "steps": option(60, "updates of each fine-tuning"),
    "seeds": option([1, 2, 3], "of the fine-tunings", nargs="*"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Every seed of the fine-tunings."""
    sets = write_domains(options.work / "data")
    for seed in options.seeds:
        bench = Bench(options.work / f"seed-{seed}", sets)
        models = {name: fine_tune(bench.work, sets[name], name, options.steps, seed) for name in DOMAINS}
        yield Result(f"seed {seed}", bench.compare(models), [START])


def write_domains(folder: Path) -> dict[str, dict[str, str]]:
    """Training, development and test set of each domain, as references of data."""
    captions, held_out, test = (multi30k(split) for split in ("train", "val", "test_2016_flickr"))
    sentences = tatoeba()
    chooser = random.Random(0)  # typing errors

    def lowered(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(source, target.lower()) for source, target in pairs]

    def misspelt(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(swap_letters(source, chooser), target) for source, target in pairs]

    pairs_by_domain = {
        "tatoeba": (sentences[:PAIRS], sentences[PAIRS : PAIRS + DEV], sentences[PAIRS + DEV :][:TEST]),
        "lower": (lowered(captions[:PAIRS]), lowered(held_out[:DEV]), lowered(test[:TEST])),
        "typos": (
            misspelt(captions[PAIRS : 2 * PAIRS]),
            misspelt(held_out[DEV : 2 * DEV]),
            misspelt(test[TEST : 2 * TEST]),
        ),
    }
    return {
        name: {
            part: pair(folder, f"{name}-{part}", pairs)
            for part, pairs in zip(("train", "dev", "test"), parts, strict=True)
        }
        for name, parts in pairs_by_domain.items()
    }


def swap_letters(text: str, chooser: random.Random) -> str:
    """Swap two neighboring letters in every third word or so."""
    words = text.split()
    for index, word in enumerate(words):
        if len(word) > 3 and chooser.random() < 0.35:
            at = chooser.randrange(1, len(word) - 2)
            words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def fine_tune(work: Path, sets: dict[str, str], name: str, steps: int, seed: int) -> str:
    """A short fine-tuning to a domain; made once."""
    values = {
        **COMMON,
        **{"data": sets["train"], "dev": sets["dev"], "max_steps": steps, "eval_every": steps},
        **{"learning_rate": 5e-4, "seed": seed, "source_language": "en", "target_language": "de"},
    }
    out = work / name
    if not (out / "model").is_dir():
        trainer.train(TrainingConfig.model_validate(values), out, report=print)
    return str(out / "model")


class Bench:
    """Merges, decodes and scores; what was done is read again."""

    def __init__(self, work: Path, sets: dict[str, dict[str, str]]) -> None:
        self.work, self.sets = work, sets

    def compare(self, models: dict[str, str]) -> dict[str, Any]:
        """Scores of the start, the fine-tuned models and every method on the three test sets."""
        systems = {"start": START, **{f"tuned to {name}": model for name, model in models.items()}}
        parameters = {}
        for name, method in MERGES.items():
            scores = (
                {
                    value: sum(
                        self.bleu(f"{name}-{value}", self.merged(name, method, value, models), d)
                        for d in DOMAINS
                    )
                    / 3
                    for value in method.values or (0.0,)
                }
                if method.values
                else {0.0: 0.0}
            )
            best = max(scores, key=lambda value: scores[value])
            parameters[name] = {
                "parameter": method.parameter,
                "value": best,
                "scores": {str(v): s for v, s in scores.items()},
            }
            systems[name] = self.merged(name, method, best, models)
        return {"chosen": parameters, "statistics": {d: self.count(systems, d) for d in DOMAINS}}

    def count(self, systems: dict[str, str], domain: str) -> dict[str, Any]:
        """BLEU's statistics of every system on a domain's test set."""
        texts = {name: self.decode(f"test-{name}", model, domain, "test") for name, model in systems.items()}
        return count_by_metric([METRICS["bleu"]], self.references(domain, "test"), texts, "de")

    def merged(self, name: str, method: Method, value: float, models: dict[str, str]) -> str:
        """The model that a method makes of the fine-tuned ones with a value of its parameter."""
        sets = {model: self.sets[domain]["train"] for domain, model in models.items()}
        data = DataSets(sets if MERGE_METHODS[method.merge_method].statistics else {}, PAIRS, "en", "de")
        out = self.work / "merged" / f"{name}-{value}"
        return make_merged(out, method, value, list(models.values()), START, MergeOptions(data=data))

    def bleu(self, name: str, model: str, domain: str) -> float:
        """BLEU on a domain's development set."""
        texts = self.decode(f"dev-{name}", model, domain, "dev")
        references = self.references(domain, "dev")
        options = {"language": "de", "n_total": len(references), "names": ("bleu",)}
        return float(text_statistics(references, texts, **options)["bleu"].score())

    def references(self, domain: str, part: str) -> dict[str, Any]:
        """The references of a set by utterance."""
        loaded = load(self.sets[domain][part], source_language="en", target_language="de").utterances
        return {utterance.id: utterance.references for utterance in loaded}

    def decode(self, name: str, model: str, domain: str, part: str) -> dict[str, str]:
        """Greedy translations by utterance; decoded once."""
        cache = self.work / "decoded" / f"{name}-{domain}.json"
        if not cache.exists():
            loaded = load(self.sets[domain][part], source_language="en", target_language="de").utterances
            machine = build(
                TranslationConfig(model=model, beam_size=1, n_best=1, batch_size=64, device="cpu")
            )
            outcomes = machine.translate(loaded)
            cache.parent.mkdir(parents=True, exist_ok=True)
            cache.write_text(
                json.dumps({o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)})
            )
            print(cache.name, flush=True)
        return json.loads(cache.read_text())
