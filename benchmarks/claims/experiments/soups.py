"""E5: uniform and greedy soups of fine-tunings, in the domain and under shift; means against ensembles."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.claims.experiments.seeds import train_seeds
from benchmarks.claims.merging import dev_scores, merged
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.pair_correlation import correlate_pairs
from benchmarks.claims.scoring import bleu_of, over_tasks, score_table, two_level
from benchmarks.claims.verdict import Result
from benchmarks.claims.workspace import FLICKR16, FLICKR17, MSCOCO, Model, Workspace
from benchmarks.common.tables import markdown_table
from components.merging.soups import greedy_soup, uniform_soup
from components.metrics.corpus_statistics import CorpusStatistics
from components.perturbation.config import PerturbationConfig
from components.perturbation.text import perturb_text
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
START = 1, 1000
"""Seed and update of the model that is fine-tuned."""
NUMBERS = tuple(range(1, 13))
SENTENCES = 500
IN_DOMAIN, TYPOS = (FLICKR16, FLICKR17), f"{FLICKR16} with typos"
SHIFT = (MSCOCO, TYPOS)
SHARE_OF_TYPOS = 0.2
"""Share of words with one letter mistyped: about 5% of letters."""
TUNING = {
    "max_steps": 300,
    "eval_every": 100,
    "eval_sentences": 200,
    "average_checkpoints": 1,
    "warmup_steps": 20,
    "lr_schedule": "linear",
}


def draw_settings(number: int) -> dict[str, float]:
    """Learning rate, dropout, smoothing and seed of one fine-tuning."""
    rng = random.Random(f"soups {number}")
    return {
        "learning_rate": float(f"{10 ** rng.uniform(-3.6, -2.7):.2g}"),
        "dropout": rng.choice((0.1, 0.2, 0.3)),
        "label_smoothing": rng.choice((0.0, 0.05, 0.1, 0.2)),
        "seed": 500 + number,
    }


def draw_halves(splits: int = 15) -> list[tuple[int, ...]]:
    """Both halves of random splits of the fine-tunings: 30 sets of 6, each fine-tuning in 15 of them."""
    rng = random.Random(5)
    halves = []
    for _ in range(splits):
        shuffled = rng.sample(NUMBERS, len(NUMBERS))
        half = len(NUMBERS) // 2
        halves += [tuple(sorted(shuffled[:half])), tuple(sorted(shuffled[half:]))]
    return halves


def train_models(work: Workspace, numbers: Sequence[int] = NUMBERS) -> dict[int, Path]:
    """The fine-tunings of one checkpoint of a seed."""
    seed, step = START
    train_seeds(work, (seed,))
    start = str(work.checkpoint(f"zoo-{seed}", step))
    return {n: work.train(f"soup-{n}", init_from=start, **TUNING, **draw_settings(n)) for n in numbers}


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, cook, translate everything greedily."""
    models = train_models(work)
    sets = {data: test_set(work, data) for data in (*IN_DOMAIN, *SHIFT)}
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
            kept = number <= 1
            outputs.add_translations(
                data, utterances, system, number, texts, metrics=("bleu",), keep_texts=kept
            )
    outputs.measurements["draws"] = draws
    _run_pairs(work, outputs, models, sets[FLICKR16])


def test_set(work: Workspace, data: str) -> list[Utterance]:
    """A test set; the one with typos is made here."""
    if data != TYPOS:
        return work.utterances(data)
    typos = PerturbationConfig(typos=SHARE_OF_TYPOS)
    return [
        u.model_copy(update={"text": perturb_text(u.text or "", typos, "en", u.id, seed=1)})
        for u in work.utterances(FLICKR16)
    ]


def cook(work: Workspace, models: Mapping[int, Path], members: Sequence[int]) -> dict[str, list[int]]:
    """The ingredients of the soups of ``members``, and the best single one, by BLEU on val."""
    numbers = {str(models[n]): n for n in members}
    with TemporaryDirectory() as folder:
        soup = greedy_soup(
            list(numbers), lambda model: dev_scores(work, model, sentences=SENTENCES)[0], Path(folder)
        )
    return {
        "uniform": list(members),
        "greedy": [numbers[model] for model in soup.ingredients],
        "best": [numbers[soup.trials[0].model]],
    }


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


def results(outputs: Outputs) -> dict[str, Result]:
    """The registered comparisons."""
    draws = outputs.measurements["draws"]
    numbers = range(1, len(draws) + 1)
    over = "sets of 6 of 12 fine-tunings"

    def soups(system: str, data: Sequence[str]) -> list[CorpusStatistics]:
        return [outputs.joined(data, system, n) for n in numbers]

    best = [outputs.joined(IN_DOMAIN, "one fine-tuning", draw["best"][0]) for draw in draws]
    uniform, greedy = soups("uniform soup", IN_DOMAIN), soups("greedy soup", IN_DOMAIN)
    shifted = soups("uniform soup", SHIFT), soups("greedy soup", SHIFT)
    half = over_tasks([shifted, (greedy, uniform)], replicates=over)  # a mean of two, so half of their sum
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
        "soups.greedy_in_domain": two_level(greedy, best, replicates=over),
        "soups.uniform_in_domain": two_level(uniform, best, replicates=over),
        "soups.interaction": interaction,
        "averaging_like_ensembling.correlation": _correlate_gains(outputs),
        "averaging_like_ensembling.mean_against_ensemble": two_level(
            means, ensembles, replicates="pairs of 12 fine-tunings"
        ),
    }


def gains_of_pairs(outputs: Outputs, system: str, ids: Sequence[str]) -> np.ndarray:
    """(12, 12): BLEU of the mean or ensemble of each two less the mean BLEU of the two, on ``ids``."""
    size = len(NUMBERS)
    single = [bleu_of(outputs.statistics(FLICKR16, "one fine-tuning", n).subset(ids)) for n in NUMBERS]
    gains = np.zeros((size, size))
    for number, (i, j) in enumerate(itertools.combinations(range(size), 2)):
        both = bleu_of(outputs.statistics(FLICKR16, system, number).subset(ids))
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
        "## Scores, greedy",
        "",
    ]
    for data in (*IN_DOMAIN, *SHIFT):
        lines += [f"### {data}", "", score_table(outputs, data, ("bleu",)), ""]
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
