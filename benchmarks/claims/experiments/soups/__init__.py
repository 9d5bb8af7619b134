"""E5: uniform and greedy soups of fine-tunings, in the domain and under shift; means against ensembles."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.claims.experiments.soups.models import (
    IN_DOMAIN,
    NUMBERS,
    SHIFT,
    START,
    cook,
    draw_halves,
    read_test_set,
    train_models,
)
from benchmarks.claims.merging import merged
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.pair_correlation import correlate_pairs
from benchmarks.claims.scoring import score_sections
from benchmarks.claims.workspace import FLICKR16, Model, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.measuring import over_tasks, two_level
from components.claims.verdict import Measured, Result
from components.merging.soup_recipes import uniform_soup
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import Utterance

TITLE = "Soups of fine-tunings, and means of two models against their ensemble"
QUESTION = """
A model of 1,000 updates is fine-tuned twelve times (300 updates; learning rate, dropout, label smoothing and
seed drawn at random). Is the mean of the weights of six of the twelve (a uniform soup), or of those that
a greedy search on 500 sentences of val leaves in it, better than the best of the six on val? Is the uniform
soup the better one where the text is not what it was trained on: captions of MSCOCO, and captions with
typos? And over all 66 pairs of the twelve, does averaging two models gain where mixing their predictions
gains, and is it ever better?
"""


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, cook, translate everything greedily."""
    models = train_models(work)
    sets = {data: read_test_set(work, data) for data in (*IN_DOMAIN, *SHIFT)}
    draws = [cook(work, models, members) for members in draw_halves()]
    systems: list[tuple[str, int, Model]] = [("start", 0, work.checkpoint(f"zoo-{START[0]}", START[1]))]
    systems += [("one fine-tuning", number, model) for number, model in models.items()]
    for number, draw in enumerate(draws, 1):
        for system in ("uniform", "greedy"):
            members = [str(models[n]) for n in draw[system]]
            soup = merged(work, uniform_soup(members)) if len(members) > 1 else Path(members[0])
            systems.append((f"{system} soup", number, soup))
    for data, utterances in sets.items():
        for system, number, model in systems:
            texts = work.translate(utterances, [model], beam_size=1)
            first = number <= 1
            outputs.add_translations(
                data, utterances, system, number, texts, metrics=("bleu",), keep_texts=first
            )
    outputs.measurements["draws"] = draws
    _run_pairs(work, outputs, models, sets[FLICKR16])


def _run_pairs(
    work: Workspace, outputs: Outputs, models: Mapping[int, Path], utterances: Sequence[Utterance]
) -> None:
    for number, pair in enumerate(itertools.combinations(NUMBERS, 2)):
        both = [models[n] for n in pair]
        mean = merged(work, uniform_soup([str(model) for model in both]))
        for system, members in (("mean of two", [mean]), ("ensemble of two", both)):
            texts = work.translate(utterances, members, beam_size=1)
            outputs.add_translations(
                FLICKR16, utterances, system, number, texts, metrics=("bleu",), keep_texts=False
            )


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons."""
    draws = outputs.measurements["draws"]
    numbers = range(1, len(draws) + 1)
    over = "sets of 6 of 12 fine-tunings"
    sets = [draw["uniform"] for draw in draws]

    def soups(system: str, data: Sequence[str]) -> list[CorpusStatistics]:
        return [outputs.joined(data, system, n) for n in numbers]

    best = [outputs.joined(IN_DOMAIN, "one fine-tuning", draw["best"][0]) for draw in draws]
    uniform, greedy = soups("uniform soup", IN_DOMAIN), soups("greedy soup", IN_DOMAIN)
    shifted = soups("uniform soup", SHIFT), soups("greedy soup", SHIFT)
    half = over_tasks(
        [shifted, (greedy, uniform)], replicates=over, members=sets
    )  # a mean of two, so half of their sum
    low, high = half.interval
    interaction = half.model_copy(
        update={
            "difference": 2 * half.difference,
            "interval": (2 * low, 2 * high),
            "detectable": 2 * half.detectable,
        }
    )
    pairs = range(len(NUMBERS) * (len(NUMBERS) - 1) // 2)
    means = [outputs.statistics(FLICKR16, "mean of two", n) for n in pairs]
    ensembles = [outputs.statistics(FLICKR16, "ensemble of two", n) for n in pairs]
    return {
        "soups.greedy_in_domain": _bleu(two_level(greedy, best, replicates=over, members=sets)),
        "soups.uniform_in_domain": _bleu(two_level(uniform, best, replicates=over, members=sets)),
        "soups.interaction": _bleu(interaction),
        "averaging_like_ensembling.correlation": Measured(by_metric={"r": _correlate_gains(outputs)}),
        "averaging_like_ensembling.mean_against_ensemble": _bleu(
            two_level(
                means,
                ensembles,
                replicates="pairs of 12 fine-tunings",
                members=list(itertools.combinations(NUMBERS, 2)),
            )
        ),
    }


def _bleu(result: Result) -> Measured:
    return Measured(by_metric={"bleu": result})


def gains_of_pairs(outputs: Outputs, system: str, ids: Sequence[str]) -> np.ndarray:
    """(12, 12): BLEU of the mean or ensemble of each two less the mean BLEU of the two, on ``ids``."""
    size = len(NUMBERS)
    single = [outputs.statistics(FLICKR16, "one fine-tuning", n).subset(ids).score() for n in NUMBERS]
    gains = np.zeros((size, size))
    for number, (i, j) in enumerate(itertools.combinations(range(size), 2)):
        both = outputs.statistics(FLICKR16, system, number).subset(ids).score()
        gains[i, j] = gains[j, i] = both - (single[i] + single[j]) / 2
    return gains


def _correlate_gains(outputs: Outputs) -> Result:
    """One gain on one half of the sentences, the other on the other: what they share is not the sample."""
    ids = outputs.ids[FLICKR16]
    halves = ids[::2], ids[1::2]
    tables = [
        (gains_of_pairs(outputs, "mean of two", a), gains_of_pairs(outputs, "ensemble of two", b))
        for a, b in (halves, halves[::-1])
    ]
    return correlate_pairs(tables, f"66 pairs of 12 fine-tunings, 2 x {len(halves[0])} sentences")


def page(outputs: Outputs) -> list[str]:
    """Scores, ingredients, and gains of pairs."""
    lines = [
        "Sets of six overlap, as pairs do: the intervals are those of other draws from these "
        "twelve fine-tunings of one start, not of other starts. The mean of two is correlated with their "
        "ensemble on the other half of the sentences; models, not pairs, are permuted.",
        "",
        *score_sections(outputs, (*IN_DOMAIN, *SHIFT), "Scores, greedy", ("bleu",)),
    ]
    draws = outputs.measurements["draws"]
    sizes = [len(draw["greedy"]) for draw in draws]
    lines += [
        "## Ingredients of the greedy soups",
        "",
        markdown_table(("ingredients", "greedy soups"), [(str(n), str(sizes.count(n))) for n in range(1, 7)]),
        "",
        "## Pairs",
        "",
    ]
    ids = outputs.ids[FLICKR16]
    upper = np.triu_indices(len(NUMBERS), 1)
    mean, ensemble = (gains_of_pairs(outputs, s, ids)[upper] for s in ("mean of two", "ensemble of two"))
    rows = [
        ("mean of two", f"{mean.mean():+.2f}", f"{mean.min():+.2f} to {mean.max():+.2f}"),
        ("ensemble of two", f"{ensemble.mean():+.2f}", f"{ensemble.min():+.2f} to {ensemble.max():+.2f}"),
    ]
    lines += [
        markdown_table(("system", "gain over the mean of the two, BLEU", "range over 66 pairs"), rows),
        "",
        f"The mean scores higher than the ensemble in {int((mean > ensemble).sum())} of 66 pairs.",
    ]
    return lines
