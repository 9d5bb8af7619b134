"""E5: uniform and greedy soups of fine-tunings, in the domain and under shift; means against ensembles."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.domains import dialogue, manuals
from benchmarks.claims.forced_scores import FloatArray, TokenScores, score_tokens
from benchmarks.claims.merging import merged
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import FLICKR16, PACKAGED, Model, Workspace
from components.merging.soups import uniform_soup
from components.perturbation.config import PerturbationConfig
from components.perturbation.text import perturb_text
from components.records import Utterance

TITLE = "Soups of fine-tunings, and means of two models against their ensemble"
QUESTION = """
Two starts, the packaged model of captions and the same after 60 updates on dialogue, are each fine-tuned six
times on technical manuals (60 updates; learning rate, dropout, label smoothing and seed drawn at random). Is
the mean of the weights of three of the six (a uniform soup), or of those that a greedy search on 200 other
paragraphs leaves in it, better than the best of the three, in nats a token of the references? Is the uniform
soup the better one where the text is not what it was trained on: dialogue, captions, and manuals with typos?
And over all pairs of the six, does averaging two models gain where mixing their predictions gains, and is it
ever better?
"""
STARTS = ("captions", "dialogue")
NUMBERS = range(1, 7)
TRIPLES = tuple(itertools.combinations(NUMBERS, 3))
PAIRS = tuple(itertools.combinations(NUMBERS, 2))
PAIRS_EVALUATED = 300
IN_DOMAIN, SHIFT = "manuals", ("dialogue", "captions", "manuals with typos")
SHARE_OF_TYPOS = 0.2
"""Share of words with one letter mistyped: about 5% of letters."""
TRAINING_PAIRS = 4000
TUNING: dict[str, Any] = {
    "batch_tokens": 600,
    "max_steps": 60,
    "eval_every": 60,
    "eval_sentences": 8,
    "average_checkpoints": 1,
    "warmup_steps": 10,
    "lr_schedule": "linear",
}


def draw_settings(start: str, number: int) -> dict[str, Any]:
    """Learning rate, dropout, smoothing and seed of one fine-tuning."""
    rng = random.Random(f"soups {start} {number}")
    return {
        "learning_rate": float(f"{10 ** rng.uniform(-4.0, -2.8):.2g}"),
        "dropout": rng.choice((0.1, 0.2, 0.3)),
        "label_smoothing": rng.choice((0.0, 0.05, 0.1, 0.2)),
        "seed": 500 + number + 10 * STARTS.index(start),
    }


def train_start(work: Workspace, start: str) -> Model:
    """The model that is fine-tuned."""
    if start == "captions":
        return PACKAGED
    data, dev = dialogue().write(work, "train"), dialogue().write(work, "dev", 16)
    settings = {**TUNING, "learning_rate": 5e-4, "seed": 500}
    return work.train("soup-start-dialogue", init_from=PACKAGED, data=data, dev=dev, **settings)


def train_models(work: Workspace, start: str) -> dict[int, Path]:
    """The fine-tunings of one start."""
    data, dev = manuals().write(work, "train", TRAINING_PAIRS), manuals().write(work, "dev", 16)
    base = str(train_start(work, start))
    return {
        n: work.train(
            f"soup-{start}-{n}", init_from=base, data=data, dev=dev, **TUNING, **draw_settings(start, n)
        )
        for n in NUMBERS
    }


def read_test_sets(work: Workspace) -> dict[str, list[Utterance]]:
    """The set of the domain, and those of the shift."""
    test = manuals().utterances(work, "test")
    typos = PerturbationConfig(typos=SHARE_OF_TYPOS)
    mistyped = [
        u.model_copy(update={"text": perturb_text(u.text or "", typos, "en", u.id, seed=1)}) for u in test
    ]
    captions = work.utterances(FLICKR16, limit=len(test))
    sets = (test, dialogue().utterances(work, "test"), captions, mistyped)
    return dict(zip((IN_DOMAIN, *SHIFT), sets, strict=True))


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, cook on dev, score references."""
    dev, sets = manuals().utterances(work, "dev"), read_test_sets(work)
    for start in STARTS:
        models = train_models(work, start)
        on_dev = {n: _mean(score_tokens(work, model, dev)) for n, model in models.items()}
        systems: dict[str, Model] = {f"tuned {n}": model for n, model in models.items()}
        draws = []
        for triple in TRIPLES:
            soup = _cook(work, models, triple, dev, on_dev)
            draws.append(
                {"members": list(triple), "greedy": soup, "best": max(triple, key=on_dev.__getitem__)}
            )
            for members in (triple, tuple(soup)):
                systems[_name(members)] = _mean_of(work, models, members)
        scored = {
            system: {data: score_tokens(work, model, utterances) for data, utterances in sets.items()}
            for system, model in systems.items()
        }
        outputs.measurements[f"{start} draws"] = draws
        outputs.measurements[f"{start} dev"] = {str(n): round(value, 4) for n, value in on_dev.items()}
        outputs.measurements[f"{start} nats"] = {
            system: {data: scores.sentence_sums() for data, scores in by_set.items()}
            for system, by_set in scored.items()
        }
        outputs.measurements["tokens"] = {
            data: scores.sentence_tokens() for data, scores in scored["tuned 1"].items()
        }
        pairs = _score_pairs(work, models, sets[IN_DOMAIN], scored)
        outputs.measurements[f"{start} pairs"] = pairs


def _name(members: Sequence[int]) -> str:
    """A system's name: of one member the fine-tuning, else its soup."""
    return f"tuned {members[0]}" if len(members) == 1 else f"soup {'+'.join(map(str, sorted(members)))}"


def _mean_of(work: Workspace, models: dict[int, Path], members: Sequence[int]) -> Model:
    if len(members) == 1:
        return models[members[0]]
    return merged(work, uniform_soup([str(models[n]) for n in sorted(members)]))


def _cook(
    work: Workspace,
    models: dict[int, Path],
    members: Sequence[int],
    dev: list[Utterance],
    on_dev: dict[int, float],
) -> list[int]:
    """The greedy soup of Wortsman et al.: from the best on, each stays if the mean does not lose on dev."""
    first, *others = sorted(members, key=on_dev.__getitem__, reverse=True)
    soup, score = [first], on_dev[first]
    for number in others:
        tried = _mean(score_tokens(work, _mean_of(work, models, [*soup, number]), dev))
        if tried >= score:
            soup, score = [*soup, number], tried
    return sorted(soup)


def _score_pairs(
    work: Workspace,
    models: dict[int, Path],
    utterances: list[Utterance],
    scored: dict[str, dict[str, TokenScores]],
) -> dict[str, dict[str, list[float]]]:
    """Mean of weights and mean of probabilities of every two, by sentence."""
    rows: dict[str, dict[str, list[float]]] = {"mean of two": {}, "ensemble of two": {}}
    for pair in PAIRS:
        key = "+".join(map(str, pair))
        mean = score_tokens(work, _mean_of(work, models, pair), utterances)
        first, second = (scored[f"tuned {n}"][IN_DOMAIN] for n in pair)
        rows["mean of two"][key] = mean.sentence_sums()
        rows["ensemble of two"][key] = first.mixed_with(second).sentence_sums()
    return rows


def _mean(scores: TokenScores) -> float:
    return float(np.mean(scores.nats))


def nats_of(outputs: Outputs, start: str, system: str, data: str) -> FloatArray:
    """Nats (S,) of the references of a set."""
    return np.asarray(outputs.measurements[f"{start} nats"][system][data], float)
