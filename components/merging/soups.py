"""Averages of models that descend from one: checkpoints of a run, fine-tunings of one model.

Checkpoint averaging (Vaswani et al. 2017), exponential averaging, uniform and greedy soups (Wortsman et al.
2022). What decides is a score on development data; a test set has no place here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.errors import MergeError
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.recipe import Recipe, parse_recipe

ScoreFunction = Callable[[str], float]
"""A model (a reference or a folder) -> its score on development data; higher is better."""


def weighted_average(shares: Mapping[str, float], *, normalize: bool = True) -> Recipe:
    """The recipe of a weighted mean of models; of their weighted sum without ``normalize``."""
    if not shares:
        raise MergeError("expected at least one model to average, found none")
    lines = ["merge_method: linear", f"parameters: {{normalize: {str(normalize).lower()}}}", "models:"]
    for model, share in shares.items():
        if not math.isfinite(share):
            raise MergeError(f"{model}: expected a finite weight, found {share}")
        lines.append(f"  - model: {_quote(model)}\n    parameters: {{weight: {share!r}}}")
    return parse_recipe("\n".join(lines) + "\n", "soup")


def uniform_soup(models: Sequence[str]) -> Recipe:
    """The plain mean. MergeError where a model is named twice."""
    if len(set(models)) != len(models):
        raise MergeError(f"expected every model once, found {', '.join(models)}")
    return weighted_average(dict.fromkeys(models, 1.0))


def average_of_last(checkpoints: Sequence[str], count: int) -> Recipe:
    """The plain mean of the last ``count`` checkpoints, which come oldest first."""
    if not 1 <= count <= len(checkpoints):
        raise MergeError(f"expected 1 to {len(checkpoints)} checkpoints to average, found {count}")
    return uniform_soup(checkpoints[-count:])


def exponential_average(checkpoints: Sequence[str], decay: float) -> Recipe:
    """The mean with weights 1, decay, decay² ... from the last checkpoint back (they come oldest first)."""
    if not 0.0 < decay <= 1.0:
        raise MergeError(f"expected a decay above 0 and at most 1, found {decay}")
    return weighted_average({c: decay**age for age, c in enumerate(reversed(checkpoints))})


class SoupTrial(NamedTuple):
    """One trial of the greedy soup: the model that was added, the score with it, and whether it stays."""

    model: str
    score: float
    accepted: bool


class Soup(NamedTuple):
    """A greedy soup: its ingredients in the order in which they were added, its score, and every trial."""

    ingredients: tuple[str, ...]
    score: float
    folder: Path | None
    trials: tuple[SoupTrial, ...]


def greedy_soup(
    models: Sequence[str], score: ScoreFunction, work: Path, options: MergeOptions | None = None
) -> Soup:
    """Add models from the best to the worst; each stays where the mean's development score does not fall.

    Trials are written to ``work/soup-N`` and scored there; a single ingredient needs no folder. Equal scores
    are taken in the order of ``models``.
    """
    uniform_soup(models)  # refuses doubles
    scores = {model: score(model) for model in models}
    order = sorted(models, key=lambda model: -scores[model])
    ingredients, best, folder = [order[0]], scores[order[0]], None
    trials = [SoupTrial(order[0], best, accepted=True)]
    for number, model in enumerate(order[1:], start=2):
        out = work / f"soup-{number}"
        merge(uniform_soup([*ingredients, model]), out, options)
        trial_score = score(str(out))
        trials.append(SoupTrial(model, trial_score, accepted=trial_score >= best))
        if trial_score >= best:
            ingredients, best, folder = [*ingredients, model], trial_score, out
    return Soup(tuple(ingredients), best, folder, tuple(trials))


def _quote(model: str) -> str:
    return '"' + model.replace("\\", "\\\\").replace('"', '\\"') + '"'
