"""What development data decide about a merge: the ingredients of a greedy soup, the scale of task vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from components import data
from components.analysis.dev_scores import DevelopmentScorer
from components.analysis.table import Table
from components.merging.config import MergeConfig
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.recipe import Recipe
from components.merging.recipe.vectors import sum_vectors
from components.merging.soup_recipes import uniform_soup
from components.merging.soups import greedy_soup
from components.metrics.table import METRICS
from components.models.adapted_references import replace_parts

SCORES = "scores.json"


def choose(
    settings: MergeConfig,
    recipe: Recipe,
    options: MergeOptions,
    work: Path,
    labels: Mapping[str, str],
    progress: Callable[[float], None] = lambda percent: None,
) -> tuple[Recipe, Table]:
    """Choose on development data what is merged.

    Args:
        settings: with ``dev``.
        recipe: of all candidates of a soup, or of task vectors.
        options: of each trial merge.
        work: folder of trials, and of scores that an earlier attempt measured.
        labels: what the table calls models, by their references.
        progress: sees how much is done, in percent.

    Returns:
        The recipe of what was chosen, and the table of what was tried.

    Raises:
        MergeError: models cannot be merged.
        DataError: the data have nothing that the metric can score.
    """
    work.mkdir(parents=True, exist_ok=True)
    languages = {"source_language": settings.source_language, "target_language": settings.target_language}
    dataset = data.load(str(settings.dev), limit=settings.dev_limit, **languages)
    scorer = DevelopmentScorer(dataset, settings.metric, settings.device, options.store, work / SCORES)

    def score(model: str) -> float:
        return scorer(options.references.get(model, model))

    note = f"by greedy search on the first {len(dataset.utterances)} utterances of {settings.dev}"
    if settings.method == "greedy_soup":
        count = 2 * len(recipe.models) - 1
        soup = greedy_soup(recipe.models, score, work, options, lambda done: progress(100 * done / count))
        rows = [
            {
                "model": replace_parts(trial.model, labels),
                f"{scorer.name} alone": _show(trial.alone, scorer.name),
                f"{scorer.name} of the mean with it": _show(trial.score, scorer.name),
                "kept": "yes" if trial.accepted else "no",
            }
            for trial in soup.trials
        ]
        title = f"Greedy soup: {len(soup.ingredients)} of {len(soup.trials)} models"
        return uniform_soup(soup.ingredients), Table(title, note, tuple(rows))
    scores = {scale: _score_scale(recipe, scale, score, work, options) for scale in settings.scales}
    best = max(scores, key=lambda scale: scores[scale])  # of equally good ones the first
    rows = [
        {
            "factor": f"{scale:g}",
            scorer.name: _show(value, scorer.name),
            "kept": "yes" if scale == best else "no",
        }
        for scale, value in scores.items()
    ]
    if best and best in (min(scores), max(scores)):  # 0, no vector, is where what is tried may well end
        note += f"; {best:g} lies at the edge of what was tried: try further ones before you say anything"
    title = f"Task vectors: {best:g} times their scales"
    return sum_vectors(recipe, best), Table(title, note, tuple(rows))


def _score_scale(
    recipe: Recipe, scale: float, score: Callable[[str], float], work: Path, options: MergeOptions
) -> float:
    out = work / f"scale {scale:g}"
    if not out.is_dir():  # a merge appears whole or not at all
        merge(sum_vectors(recipe, scale), out, options)
    return score(str(out))


def _show(score: float, metric: str) -> str:
    return f"{score if METRICS[metric].higher_is_better else -score:.2f}"
