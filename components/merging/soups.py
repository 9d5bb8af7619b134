"""Greedy soups (Wortsman et al. 2022): the mean of those fine-tunings of one model that do not make it worse.

Scores that decide are on development data, never on test data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from components.merging.merge import MergeOptions, merge
from components.merging.soup_recipes import uniform_soup

ScoreFunction = Callable[[str], float]
"""Scores a model, given by reference or folder, on development data; higher is better."""


class SoupTrial(NamedTuple):
    """One trial of a greedy soup.

    Attributes:
        model: that was added.
        alone: its own score.
        score: that of the mean with it.
        accepted: whether it stays.
    """

    model: str
    alone: float
    score: float
    accepted: bool


class Soup(NamedTuple):
    """A greedy soup.

    Attributes:
        ingredients: the models that it is the mean of, in the order in which they were added.
        score: its development score.
        folder: where it lies; None where the only ingredient is a model as it was.
        trials: every trial, in order.
    """

    ingredients: tuple[str, ...]
    score: float
    folder: Path | None
    trials: tuple[SoupTrial, ...]


def greedy_soup(
    models: Sequence[str],
    score: ScoreFunction,
    work: Path,
    options: MergeOptions | None = None,
    on_trial: Callable[[int], None] = lambda done: None,
) -> Soup:
    """Add models to a mean from the best to the worst; each stays unless the mean's score falls.

    Args:
        models: references or folders; of equally good ones the first is added first.
        score: scores a model on development data.
        work: trials are written to ``work/soup-N``; those of an interrupted search are used.
        options: of each merge.
        on_trial: is called with the number of models and means that have a score.

    Raises:
        MergeError: A model is named twice, or models cannot be averaged.
    """
    uniform_soup(models)  # refuses doubles
    scores = {}
    for number, model in enumerate(models, 1):
        scores[model] = score(model)
        on_trial(number)
    order = sorted(models, key=lambda model: -scores[model])
    ingredients, best, folder = [order[0]], scores[order[0]], None
    trials = [SoupTrial(order[0], best, best, accepted=True)]
    for number, model in enumerate(order[1:], start=2):
        out = work / f"soup-{number}"
        if not out.is_dir():  # a merge appears whole or not at all
            merge(uniform_soup([*ingredients, model]), out, options)
        trial_score = score(str(out))
        trials.append(SoupTrial(model, scores[model], trial_score, accepted=trial_score >= best))
        if trial_score >= best:
            ingredients, best, folder = [*ingredients, model], trial_score, out
        on_trial(len(models) + number - 1)
    return Soup(tuple(ingredients), best, folder, tuple(trials))
