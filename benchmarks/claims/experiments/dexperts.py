"""E8: generation steered by an expert and an anti-expert (DExperts)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.question_classifier import QuestionClassifier
from benchmarks.claims.sampling import log_probs_of, sample
from benchmarks.claims.texts import tatoeba_english, write_pairs
from benchmarks.claims.workspace import PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import by_metrics, of_sums
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.ensembling.token_level.combiners import LogLinearInterpolation, NegativeEvidence
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.training.learners.language_model_learner import LanguageLearner

TITLE = "DExperts: an expert and an anti-expert steer a language model"
QUESTION = """
A small language model of English captions and Tatoeba sentences (6 M parameters) is the core. Its copies
after 100 updates on questions and on statements are expert and anti-expert. 500 sentences are sampled from
core + s (expert - anti-expert), from core + s (expert - core), which is the expert alone at s = 1, and from
each model alone. How many are questions, by a classifier of wording (final punctuation is taken away) that
learned from other sentences, and by their question mark? What does that cost in fluency, as nats a token
under the core? And at equal fluency, does the anti-expert add anything to what the expert alone can do?
"""
SEEDS, SAMPLES = (1, 2, 3), 500
STRENGTHS = (0.5, 1.0, 2.0)
MEASURES = ("percent by wording", "percent by mark")
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
        if s != 1:  # that is the expert
            arms[f"core + {s:g} (expert - core)"] = ([core, expert], LogLinearInterpolation((1 - s, s)))
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


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons: percent of questions by wording and by their mark, and nats a token."""
    both = "core + 1 (expert - anti-expert)"
    nats = _of_arms(
        lambda sums: sums[..., 0] / sums[..., 1] - sums[..., 5] / sums[..., 6], outputs, both, "core"
    )
    return {
        "dexperts.equal_fluency": by_metrics(MEASURES, lambda m: _at_equal_fluency(outputs, m)),
        "dexperts.fluency": Measured(by_metric={"nats": nats}),
        "dexperts.steers": by_metrics(MEASURES, lambda m: _shares(outputs, m, both, "core")),
        "dexperts.expert": by_metrics(MEASURES, lambda m: _shares(outputs, m, both, "expert")),
    }


def _shares(outputs: Outputs, measure: str, first: str, second: str) -> Result:
    column = 2 + MEASURES.index(measure)

    def score(sums: FloatArray) -> FloatArray:
        return np.asarray(100 * (sums[..., column] - sums[..., COLUMNS + column]) / SAMPLES)

    return _of_arms(score, outputs, first, second)


def _at_equal_fluency(outputs: Outputs, measure: str) -> Result:
    """Questions of each strength less those of the expert alone at as many nats a token, their mean.

    The expert alone is a line from the core (strength 0) by its measured strengths, in between linear.
    """
    steered = [f"core + {s:g} (expert - anti-expert)" for s in STRENGTHS]
    first = outputs.measurements[f"seed {SEEDS[0]}"]
    alone = [arm for arm in ("core", "core + 0.5 (expert - core)", "expert") if arm in first]
    column = 2 + MEASURES.index(measure)

    def score(sums: FloatArray) -> FloatArray:
        arms = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, COLUMNS), -2, 0)
        nats, share = arms[..., 0] / arms[..., 1], 100 * arms[..., column] / SAMPLES
        own, line = slice(0, len(steered)), slice(len(steered), None)
        return np.asarray((share[own] - _interpolate(nats[own], nats[line], share[line])).mean(0))

    return _of_arms(score, outputs, *steered, *alone)


def _interpolate(at: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Values (k, ...) at ``at`` of the lines through (x, y) (m, ...), x growing; level beyond the ends."""
    result = np.broadcast_to(y[0], at.shape).copy()
    for left in range(len(x) - 1):
        share = np.clip((at - x[left]) / np.maximum(x[left + 1] - x[left], 1e-9), 0, 1)
        result += share * (y[left + 1] - y[left])
    return result


def _of_arms(score: Callable[[FloatArray], FloatArray], outputs: Outputs, *arms: str) -> Result:
    """A score of the sums of some arms, beside one of 0; each arm has columns COLUMNS apart."""
    rows = np.stack(
        [np.concatenate([_columns(outputs.measurements[f"seed {s}"][arm]) for arm in arms], 1) for s in SEEDS]
    )
    # the second arm is a score of nothing: what is tested is the first alone
    zero = lambda sums: np.where(sums[..., -1] > 0, score(sums[..., :-1]), 0.0)  # noqa: E731
    marked = np.concatenate([rows, np.ones((*rows.shape[:2], 1))], 2)
    unmarked = np.concatenate([rows, np.zeros((*rows.shape[:2], 1))], 2)
    return of_sums(ItemSums(zero, marked, unmarked), f"{len(SEEDS)} seeds x {SAMPLES} sentences")


COLUMNS = 5


def _columns(arm: dict[str, Any]) -> FloatArray:
    """(sentences, COLUMNS): nats lost under the core, tokens, question by wording, by its mark, 1."""
    marks = [text.endswith("?") for text in arm["texts"]]
    return np.stack(
        [-np.asarray(arm["nats"], float), arm["tokens"], arm["question"], marks, np.ones(SAMPLES)], axis=1
    )


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
        markdown_table(header, rows),
        "## Examples (seed 1; of the sentences in order of their likelihood, numbers 100, 250 and 400)",
        markdown_table(("sampled from", "sentences"), examples),
    ]
