"""E8: generation steered by an expert and an anti-expert (DExperts)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.question_classifier import QuestionClassifier
from benchmarks.claims.sampling import log_probs_of, sample
from benchmarks.claims.scoring import of_sums
from benchmarks.claims.texts import tatoeba_english, write_pairs
from benchmarks.claims.verdict import Result
from benchmarks.claims.workspace import PACKAGED, Workspace, digest_of
from benchmarks.common.seed_bootstrap import ItemSums
from benchmarks.common.tables import markdown_table
from components.ensembling.token_level.combiners import LogLinearInterpolation, NegativeEvidence
from components.training.learners.language_model_learner import LanguageLearner

TITLE = "DExperts: an expert and an anti-expert steer a language model"
QUESTION = """
A small language model of English captions and Tatoeba sentences (6 M parameters) is the core. Its copies
after 100 updates on questions and on statements are expert and anti-expert. 500 sentences are sampled from
core + s (expert - anti-expert), from core + s expert, and from each model alone. How many are questions, by
a classifier of wording (final punctuation is taken away) that learned from other sentences? And what does
that cost in fluency, as nats a token under the core?
"""
SEEDS, SAMPLES = (1, 2, 3), 500
STRENGTHS = (0.5, 1.0, 2.0)
CORE = {"tokenizer": PACKAGED, "max_steps": 600, "eval_every": 200}
TUNED = {
    "max_steps": 100,
    "eval_every": 100,
    "warmup_steps": 20,
    "lr_schedule": "linear",
    "learning_rate": 5e-4,
}
COMMON = {
    "kind": "language_model",
    "source_language": "de",
    "target_language": "en",
    "average_checkpoints": 1,
}
CAPTIONS, REPEATS = 10_000, 3
"""Captions in the core's data; Tatoeba's sentences stand in it so many times."""


@dataclass(frozen=True)
class Sentences:
    """English Tatoeba in three parts: 25% for the core, 45% for the experts, 30% for the classifier."""

    core: list[str]
    experts: list[str]
    classifier: list[str]

    @classmethod
    def load(cls) -> Sentences:
        """Split once, at random."""
        sentences = tatoeba_english()
        random.Random(20).shuffle(sentences)
        first, second = len(sentences) // 4, len(sentences) * 7 // 10
        return cls(sentences[:first], sentences[first:second], sentences[second:])


def by_kind(sentences: list[str]) -> tuple[list[str], list[str]]:
    """Questions and others."""
    questions = [text for text in sentences if text.endswith("?")]
    return questions, [text for text in sentences if not text.endswith("?")]


def train_models(work: Workspace, sentences: Sentences, seed: int) -> dict[str, Path]:
    """Core, expert and anti-expert of a seed."""

    def data(name: str, texts: list[str]) -> str:
        pairs = [(text, text) for text in texts]
        return write_pairs(work.folder / "data", f"dexperts-{name}", pairs, ("de", "en"))

    def train(name: str, texts: list[str], dev: str, **settings: Any) -> Path:
        values = {"data": data(name, texts), "dev": dev, "seed": seed, **COMMON, **settings}
        return work.train(f"dexperts-{name}-{seed}", learner=LanguageLearner, **values)

    captions = [u.text or "" for u in work.utterances("train", limit=CAPTIONS)]
    dev = data("dev", [u.text or "" for u in work.utterances("val", limit=200)])
    core = train("core", [*captions, *sentences.core * REPEATS], dev, **CORE)
    questions, statements = by_kind(sentences.experts)
    tuned = {"init_from": str(core), **TUNED}
    return {
        "core": core,
        "expert": train("expert", questions, dev, **tuned),
        "anti-expert": train("anti-expert", statements, dev, **tuned),
    }


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, sample, judge."""
    sentences = Sentences.load()
    classifier = QuestionClassifier.learn(*by_kind(sentences.classifier))
    outputs.measurements["classifier"] = classifier.accuracy(*by_kind(sentences.experts))
    for seed in SEEDS:
        models = train_models(work, sentences, seed)
        key = {
            "dexperts": {name: digest_of(model) for name, model in models.items()},
            "version": 1,
            "settings": [SAMPLES, STRENGTHS, seed],
        }
        sampled = work.cached(key, lambda: sample_arms(models, seed))  # noqa: B023
        for row in sampled.values():
            row["question"] = [int(classifier(text)) for text in row["texts"]]
        outputs.measurements[f"seed {seed}"] = sampled


def sample_arms(models: dict[str, Path], seed: int) -> dict[str, Any]:
    """Sentences of every arm, with their nats under the core and their tokens."""
    core, expert, anti = (models[name] for name in ("core", "expert", "anti-expert"))
    arms: dict[str, Any] = {name: ([model], None) for name, model in models.items()}
    for s in STRENGTHS:
        arms[f"core + {s:g} expert"] = ([core, expert], LogLinearInterpolation((1.0, s)))
        arms[f"core + {s:g} (expert - anti-expert)"] = ([core, expert, anti], NegativeEvidence(s))
    rows = {}
    for arm, (members, combiner) in arms.items():
        sampled = sample(members, combiner, SAMPLES, seed)
        tokens = [tokens for _, tokens in sampled]
        rows[arm] = {
            "texts": [text for text, _ in sampled],
            "nats": [round(value, 3) for value in log_probs_of(core, tokens)],
            "tokens": [len(row) for row in tokens],
        }
    return rows


def results(outputs: Outputs) -> dict[str, Result]:
    """The registered comparisons, in percent of questions."""
    both = "core + 1 (expert - anti-expert)"
    return {
        "dexperts.attribute": _compare(outputs, both, "core"),
        "dexperts.both": _compare(outputs, both, "core + 1 expert"),
    }


def _compare(outputs: Outputs, first: str, second: str) -> Result:
    sums = ItemSums(_percent, _questions(outputs, first), _questions(outputs, second))
    return of_sums(sums, f"{len(SEEDS)} seeds x {SAMPLES} sentences")


def _questions(outputs: Outputs, arm: str) -> np.ndarray[Any, Any]:
    values = np.asarray([outputs.measurements[f"seed {seed}"][arm]["question"] for seed in SEEDS], float)
    return np.stack([100 * values, np.ones_like(values)], axis=2)


def _percent(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(sums[..., 0] / sums[..., 1])


def page(outputs: Outputs) -> list[str]:
    """Share and fluency of every arm, the classifier's accuracy, examples."""
    arms = list(outputs.measurements[f"seed {SEEDS[0]}"])
    rows = []
    for arm in arms:
        own = [outputs.measurements[f"seed {seed}"][arm] for seed in SEEDS]
        shares = [100 * float(np.mean(row["question"])) for row in own]
        marked = [100 * float(np.mean([text.endswith("?") for text in row["texts"]])) for row in own]
        nats = [-sum(row["nats"]) / sum(row["tokens"]) for row in own]
        lengths = [float(np.mean(row["tokens"])) for row in own]
        rows.append(
            (
                arm,
                f"{np.mean(shares):.1f} ({min(shares):.1f} to {max(shares):.1f})",
                f"{np.mean(marked):.1f}",
                f"{np.mean(nats):.2f} ({min(nats):.2f} to {max(nats):.2f})",
                f"{np.mean(lengths):.1f}",
            )
        )
    right, other = outputs.measurements["classifier"]
    header = ("sampled from", "questions by wording, %", "with a question mark, %", "nats a token", "tokens")
    first = outputs.measurements[f"seed {SEEDS[0]}"]
    examples = [(arm, " / ".join(first[arm]["texts"][number] for number in (100, 250, 400))) for arm in arms]
    return [
        f"The classifier is right on {100 * right:.0f}% of questions and {100 * other:.0f}% of other "
        "sentences that it did not learn from. Means over seeds (their range).",
        "",
        markdown_table(header, rows),
        "",
        "## Examples (seed 1; of the sentences in order of their likelihood, numbers 100, 250 and 400)",
        "",
        markdown_table(("sampled from", "sentences"), examples),
    ]
