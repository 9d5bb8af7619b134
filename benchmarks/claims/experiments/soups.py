"""E5: uniform and greedy soups of fine-tunings, in the domain and under shift; means against ensembles."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.domains import dialogue, manuals
from benchmarks.claims.merging import SHORT_TUNING, cook_greedily, soup_of
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.pair_correlation import correlate_pairs, gains_of_pairs
from benchmarks.claims.token_scores import TokenScores, score_tokens
from benchmarks.claims.workspace import FLICKR16, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import of_both, of_sums
from components.claims.systems.forced_scores import FloatArray, nats_per_token, sums_of_tokens
from components.claims.systems.workbench import Model
from components.claims.verdict import Measured, Result
from components.metrics.statistics.seed_bootstrap import ItemSums
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
TRIPLES = tuple(sorted(random.Random(3).sample(list(itertools.combinations(NUMBERS, 3)), 10)))
"""Drawn once."""
SHIFTED = 200
"""Sentences of each set under shift."""
PAIRS = tuple(itertools.combinations(NUMBERS, 2))
IN_DOMAIN, SHIFT = "manuals", ("dialogue", "captions", "manuals with typos")
SHARE_OF_TYPOS = 0.2
"""Share of words with one letter mistyped: about 5% of letters."""
TRAINING_PAIRS = 4000


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
    settings = {**SHORT_TUNING, "learning_rate": 5e-4, "seed": 500}
    return work.train("soup-start-dialogue", init_from=PACKAGED, data=data, dev=dev, **settings)


def train_models(work: Workspace, start: str) -> dict[int, Path]:
    """The fine-tunings of one start."""
    data, dev = manuals().write(work, "train", TRAINING_PAIRS), manuals().write(work, "dev", 16)
    base = str(train_start(work, start))
    return {
        n: work.train(
            f"soup-{start}-{n}", init_from=base, data=data, dev=dev, **SHORT_TUNING, **draw_settings(start, n)
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
    captions = work.utterances(FLICKR16, limit=SHIFTED)
    sets = (test, dialogue().utterances(work, "test")[:SHIFTED], captions, mistyped[:SHIFTED])
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
            soup = cook_greedily(work, models, triple, lambda model: _mean(score_tokens(work, model, dev)))
            draws.append(
                {"members": list(triple), "greedy": soup, "best": max(triple, key=on_dev.__getitem__)}
            )
            for members in (triple, tuple(soup)):
                systems[_name(members)] = soup_of(work, models, members)
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
        mean = score_tokens(work, soup_of(work, models, pair), utterances)
        first, second = (scored[f"tuned {n}"][IN_DOMAIN] for n in pair)
        rows["mean of two"][key] = mean.sentence_sums()
        rows["ensemble of two"][key] = first.mixed_with(second).sentence_sums()
    return rows


def _mean(scores: TokenScores) -> float:
    return float(np.mean(scores.nats))


def nats_of(outputs: Outputs, start: str, system: str, data: str) -> FloatArray:
    """Nats (S,) of the references of a set."""
    return np.asarray(outputs.measurements[f"{start} nats"][system][data], float)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons, in nats a token."""
    over = f"{len(STARTS) * len(TRIPLES)} triples of {len(STARTS)} x {len(NUMBERS)} fine-tunings"
    members = [tuple((start, n) for n in draw["members"]) for start, draw in _draws(outputs)]

    def sums(choice: Callable[[dict[str, Any]], str], sets: Sequence[str]) -> FloatArray:
        rows = [
            np.concatenate([nats_of(outputs, start, choice(draw), data) for data in sets])
            for start, draw in _draws(outputs)
        ]
        return sums_of_tokens(rows, np.concatenate([outputs.measurements["tokens"][data] for data in sets]))

    def compare(first: Choice, second: Choice, sets: Sequence[str]) -> ItemSums:
        return ItemSums(nats_per_token, sums(first, sets), sums(second, sets))

    inside, sentences = [IN_DOMAIN], f"{over} x {len(outputs.measurements['tokens'][IN_DOMAIN])} sentences"
    interaction = of_both(
        compare(_uniform, _greedy, SHIFT), compare(_greedy, _uniform, inside), over, members=members
    )
    return {
        "soups.greedy_in_domain": _nats(of_sums(compare(_greedy, _best, inside), sentences, members=members)),
        "soups.uniform_in_domain": _nats(
            of_sums(compare(_uniform, _best, inside), sentences, members=members)
        ),
        "soups.interaction": _nats(interaction),
        "averaging_like_ensembling.correlation": Measured(by_metric={"r": _correlate_gains(outputs)}),
        "averaging_like_ensembling.mean_against_ensemble": _nats(_compare_pairs(outputs)),
    }


Choice = Callable[[dict[str, Any]], str]
"""A draw -> the name of one of its systems."""


def _uniform(draw: dict[str, Any]) -> str:
    return _name(draw["members"])


def _greedy(draw: dict[str, Any]) -> str:
    return _name(draw["greedy"])


def _best(draw: dict[str, Any]) -> str:
    return _name([draw["best"]])


def _nats(result: Result) -> Measured:
    return Measured(by_metric={"nats": result})


def _draws(outputs: Outputs) -> list[tuple[str, dict[str, Any]]]:
    return [(start, draw) for start in STARTS for draw in outputs.measurements[f"{start} draws"]]


def _pair_rows(outputs: Outputs, start: str, system: str) -> list[FloatArray]:
    rows = outputs.measurements[f"{start} pairs"][system]
    return [np.asarray(rows["+".join(map(str, pair))], float) for pair in PAIRS]


def _compare_pairs(outputs: Outputs) -> Result:
    tokens = outputs.measurements["tokens"][IN_DOMAIN]
    arms = (
        sums_of_tokens([row for start in STARTS for row in _pair_rows(outputs, start, system)], tokens)
        for system in ("mean of two", "ensemble of two")
    )
    members = [tuple((start, n) for n in pair) for start in STARTS for pair in PAIRS]
    over = f"{len(members)} pairs of {len(STARTS)} x {len(NUMBERS)} fine-tunings x {len(tokens)} sentences"
    return of_sums(ItemSums(nats_per_token, *arms), over, members=members)


def _gains(outputs: Outputs, start: str, system: str, part: slice = slice(None)) -> FloatArray:
    """(6, 6): what the mean or the ensemble of each two gains on some of the sentences."""
    single = [nats_of(outputs, start, f"tuned {n}", IN_DOMAIN) for n in NUMBERS]
    pairs = [(i - 1, j - 1) for i, j in PAIRS]
    rows = dict(zip(pairs, _pair_rows(outputs, start, system), strict=True))
    return gains_of_pairs(single, rows, outputs.measurements["tokens"][IN_DOMAIN], part)


def _correlate_gains(outputs: Outputs) -> Result:
    """One gain on one half of the sentences, the other on the other: what they share is not the sample."""
    halves = slice(0, None, 2), slice(1, None, 2)
    tables = [
        (_gains(outputs, start, "mean of two", first), _gains(outputs, start, "ensemble of two", second))
        for start in STARTS
        for first, second in (halves, halves[::-1])
    ]
    over = f"{len(PAIRS)} pairs of six fine-tunings of each of {len(STARTS)} starts, halves of the sentences"
    return correlate_pairs(tables, over)


def page(outputs: Outputs) -> list[str]:
    """Nats by set, ingredients of the greedy soups, gains of pairs."""
    lines = [
        "## Nats a token of the references, mean over triples",
        markdown_table(("start", "system", IN_DOMAIN, *SHIFT), list(_score_rows(outputs))),
        "## Ingredients of the greedy soups",
    ]
    sizes = [len(draw["greedy"]) for _, draw in _draws(outputs)]
    lines += [
        markdown_table(("ingredients", "greedy soups"), [(str(n), str(sizes.count(n))) for n in (1, 2, 3)]),
        "## Pairs: gain over the mean of the two, nats a token",
    ]
    upper = np.triu_indices(len(NUMBERS), 1)
    rows = []
    for start in STARTS:
        mean, ensemble = (
            _gains(outputs, start, system)[upper] for system in ("mean of two", "ensemble of two")
        )
        cells = [f"{x.mean():+.3f} ({x.min():+.3f} to {x.max():+.3f})" for x in (mean, ensemble)]
        rows.append((start, *cells, f"{int((mean > ensemble).sum())} of {len(PAIRS)}"))
    header = ("start", "mean of two", "ensemble of two", "pairs whose mean is better")
    return [*lines, markdown_table(header, rows)]


def _score_rows(outputs: Outputs) -> Iterator[tuple[str, ...]]:
    choices = {"best of the three on dev": _best, "uniform soup": _uniform, "greedy soup": _greedy}
    tokens = {data: np.sum(outputs.measurements["tokens"][data]) for data in (IN_DOMAIN, *SHIFT)}
    for start in STARTS:
        draws = [draw for own, draw in _draws(outputs) if own == start]
        for name, choice in choices.items():
            cells = [
                f"{np.mean([nats_of(outputs, start, choice(d), data).sum() / n for d in draws]):.3f}"
                for data, n in tokens.items()
            ]
            yield start, name, *cells
