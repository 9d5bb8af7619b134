"""E3c: whether coefficients of an ensemble tell what its members contribute."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.claims.experiments.seeds import SEEDS, train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import DEV, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import of_sums
from components.claims.statistics.rank_correlation import correlate_ranks
from components.claims.systems.forced_scores import FloatArray, score_references
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.ensembling.token_level.learning.coefficients import fit_linear_weights
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.metrics.statistics.shapley import (
    CoalitionGame,
    all_coalitions,
    mixture_likelihood_game,
    shapley_values,
)
from components.records import Utterance
from components.translation.config import TRANSLATION_VERSION

TITLE = "Do an ensemble's coefficients tell what its members contribute?"
QUESTION = """
Twenty linear ensembles of five, drawn from seven trainings after 500, 1,000 and 1,500 updates: members
of unequal quality, some alike. Coefficients are learned on 100 sentences of val. With these
coefficients, what does the log-likelihood of the references of 914 other sentences lose without a member
(leave-one-out), and what is its Shapley value? Do coefficients rank members as leave-one-out does? And what
happens to each measure when the member of largest coefficient stands in the ensemble twice?
"""
UPDATES = (500, 1000, 1500)
ENSEMBLES, SIZE, LEARNED = 20, 5, 100


def draw_ensembles() -> list[list[str]]:
    """Members of every ensemble, named ``SEED@UPDATES``; drawn once."""
    members = [f"{seed}@{updates}" for seed in SEEDS for updates in UPDATES]
    draw = random.Random(20)
    return [sorted(draw.sample(members, SIZE)) for _ in range(ENSEMBLES)]


def run(work: Workspace, outputs: Outputs) -> None:
    """Score the references of val once per member; the rest is arithmetic."""
    train_seeds(work)
    utterances = work.utterances(DEV)
    log_probs = {}
    for name in sorted({name for members in draw_ensembles() for name in members}):
        seed, updates = name.split("@")
        log_probs[name] = score_member(work, utterances, work.checkpoint(f"zoo-{seed}", int(updates)))
    vocabulary = json.loads((work.checkpoint("zoo-1", UPDATES[-1]) / "config.json").read_text())["vocab_size"]
    ensembles = [measure(members, log_probs, vocabulary) for members in draw_ensembles()]
    outputs.measurements["ensembles"] = ensembles


def score_member(work: Workspace, utterances: Sequence[Utterance], model: Path) -> list[list[float]]:
    """Log-probabilities of the reference's tokens, by sentence."""

    def score() -> list[list[float]]:
        statistics = score_references([model], utterances, distributions=False)
        values, sentences = statistics.token_log_probs[0], statistics.sentences
        return [[round(v, 5) for v in values[sentences == n].tolist()] for n in range(len(utterances))]

    key = {
        "reference log-probabilities": digest_of(model),
        "version": TRANSLATION_VERSION,
        "texts": [(u.id, u.text, u.references) for u in utterances],
    }
    return work.cached(key, score)


def measure(
    members: Sequence[str], log_probs: dict[str, list[list[float]]], vocabulary: int
) -> dict[str, Any]:
    """Coefficients and contributions of one ensemble, and of it with its largest member twice."""
    own = {name: log_probs[name] for name in members}
    weights, game = play(own, vocabulary)
    largest = max(weights, key=weights.__getitem__)
    twins, twin_game = play({**own, "twin": log_probs[largest]}, vocabulary)
    return {
        "coefficients": weights,
        "alone": {name: round(float(game(frozenset({name}))), 4) for name in members},
        "shapley": _rounded(shapley_values(game.members, game)),
        "leave_one_out": {name: _leave_one_out(game, name) for name in members},
        "tokens": game.sizes.astype(int).tolist(),
        "largest": largest,
        "twin": {
            "coefficient": twins[largest],
            "both": round(twins[largest] + twins["twin"], 4),
            "shapley": _rounded(shapley_values(twin_game.members, twin_game)),
            "leave_one_out": _leave_one_out(twin_game, largest),
        },
    }


def play(log_probs: dict[str, list[list[float]]], vocabulary: int) -> tuple[dict[str, float], CoalitionGame]:
    """Weights learned on the first sentences, and the game of the mixture with them on the others."""
    first = [np.concatenate([np.asarray(row) for row in rows[:LEARNED]]) for rows in log_probs.values()]
    weights, _ = fit_linear_weights(torch.from_numpy(np.stack(first)))
    named = dict(zip(log_probs, weights.tolist(), strict=True))
    others = {name: rows[LEARNED:] for name, rows in log_probs.items()}
    return _rounded(named), mixture_likelihood_game(others, vocabulary, named)


def _leave_one_out(game: CoalitionGame, member: str) -> list[float]:
    """Nats that each sentence loses without a member."""
    columns = all_coalitions(game.members)
    without = game.gains[columns.index(frozenset(game.members) - {member})]
    return [round(value, 3) for value in (game.gains[-1] - without).tolist()]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons: with no correlation at all, and with the leave-one-out of a single copy."""
    ensembles = outputs.measurements["ensembles"]
    over = f"{len(ensembles)} ensembles of {len(SEEDS)} trainings x {len(ensembles[0]['tokens'])} sentences"
    trainings = [sorted({name.split("@")[0] for name in ensemble["coefficients"]}) for ensemble in ensembles]

    def correlate(measure: str) -> Result:
        rows = np.stack([_rank_rows(ensemble, measure) for ensemble in ensembles])
        return of_sums(ItemSums(_rank_score, rows, np.zeros_like(rows)), over, members=trainings)

    twins = np.stack([_twin_rows(ensemble) for ensemble in ensembles])
    ratio = of_sums(ItemSums(_ratio, twins, twins[..., [1, 1]]), over, members=trainings)  # against 1
    return {
        "contribution.correlation": Measured(
            by_metric={"rho": correlate("leave_one_out"), "rho, Shapley": correlate("shapley")}
        ),
        "contribution.twins": Measured(by_metric={"ratio less 1": ratio}),
    }


def _rank_rows(ensemble: dict[str, Any], measure: str) -> FloatArray:
    """(sentences, 2 SIZE): what each sentence owes to a member, and the coefficients, the same in every row.

    Shapley values were kept for the ensemble, not by sentence.
    """
    coefficients = np.asarray(list(ensemble["coefficients"].values()), float)
    values = np.asarray(list(ensemble[measure].values()), float).T
    shape = (len(ensemble["tokens"]), SIZE)
    return np.concatenate([np.broadcast_to(values, shape), np.broadcast_to(coefficients, shape)], axis=1)


def _rank_score(sums: FloatArray) -> FloatArray:
    return correlate_ranks(sums[..., :SIZE], sums[..., SIZE:].round(6))


def _twin_rows(ensemble: dict[str, Any]) -> FloatArray:
    """(sentences, 2): leave-one-out of the largest member beside its twin, and without a twin."""
    alone = ensemble["leave_one_out"][ensemble["largest"]]
    return np.asarray([ensemble["twin"]["leave_one_out"], alone], float).T


def _ratio(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def page(outputs: Outputs) -> list[str]:
    """Correlations of coefficients with three measures, the twins, and one ensemble in full."""
    ensembles = outputs.measurements["ensembles"]
    measures = {
        "leave-one-out": lambda row: [sum(values) for values in row["leave_one_out"].values()],
        "Shapley value": lambda row: list(row["shapley"].values()),
        "likelihood alone": lambda row: list(row["alone"].values()),
    }
    rows = []
    for name, values in measures.items():
        rho = [_spearman(list(row["coefficients"].values()), values(row)) for row in ensembles]
        rows.append((name, f"{np.mean(rho):+.2f}", f"{min(rho):+.2f} to {max(rho):+.2f}"))
    lines = [
        "## Spearman's correlation with the coefficient, within an ensemble",
        markdown_table(("with", "mean of 20", "range"), rows),
        "## The member of largest coefficient, and its twin",
        "Means over the ensembles; leave-one-out and Shapley values in nats a token.",
        markdown_table(("measure", "one copy", "a copy beside its twin"), _twin_table(ensembles)),
        "## The first ensemble",
    ]
    first, tokens = ensembles[0], sum(ensembles[0]["tokens"])
    table = [
        (
            name.replace("@", " after ") + " updates",
            f"{coefficient:.3f}",
            f"{first['alone'][name]:.3f}",
            f"{sum(first['leave_one_out'][name]) / tokens:.4f}",
            f"{first['shapley'][name]:.3f}",
        )
        for name, coefficient in first["coefficients"].items()
    ]
    header = ("seed", "coefficient", "alone", "leave-one-out", "Shapley value")
    return [*lines, markdown_table(header, table)]


def _spearman(first: Sequence[float], second: Sequence[float]) -> float:
    return float(correlate_ranks(np.asarray(first, float), np.asarray(second, float)))


def _twin_table(ensembles: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    def mean(values: Sequence[float], digits: int) -> str:
        return f"{np.mean(values):.{digits}f}"

    def of_largest(rows: Sequence[dict[str, Any]], measure: str) -> str:
        pairs = zip(rows, ensembles, strict=True)
        return mean([row[measure][ensemble["largest"]] for row, ensemble in pairs], 3)

    twins = [row["twin"] for row in ensembles]
    beside_twin = mean([row["coefficient"] for row in twins], 3)
    sums = [(_twin_rows(row).sum(0) / sum(row["tokens"])) for row in ensembles]
    return [
        ("coefficient", of_largest(ensembles, "coefficients"), beside_twin),
        ("coefficient of both", "", mean([row["both"] for row in twins], 3)),
        ("leave-one-out", mean([row[1] for row in sums], 5), mean([row[0] for row in sums], 5)),
        ("Shapley value", of_largest(ensembles, "shapley"), of_largest(twins, "shapley")),
    ]
