"""Questions that forced scores of references answer: how to mix, how to weigh, who contributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from components.claims.claim import Claim, Comparison
from components.claims.question import Question, Systems
from components.claims.questions.mixing import compare_texts
from components.claims.selection import best_on_dev
from components.claims.statistics.measuring import of_sums
from components.claims.statistics.rank_correlation import correlate_ranks
from components.claims.systems.forced_scores import (
    FloatArray,
    nats_per_token,
    score_references,
    sum_by_sentence,
    sums_of_tokens,
    tokens_by_sentence,
)
from components.claims.verdict import Measured, Result
from components.ensembling.token_level.learning.coefficients import (
    fit_constants,
    fit_gate,
    fit_linear_weights,
)
from components.ensembling.token_level.learning.gating_network import reference_log_likelihood
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.records import Utterance

EXAMPLES = 50
"""Development sentences from which weights are learned; a gate learns from four times as many."""
NATS = ("nats",)


class OrAnd(Question):
    """Which interpolation bears a wrong member?"""

    claim = Claim(
        name="or_and",
        claim='Linear interpolation is an "or", log-linear an "and"',
        design="equal shares; forced scores of the references, and texts",
        primary=Comparison(
            name="or",
            text="linear against log-linear, nats a token saved",
            metrics=NATS,
            signs=("bleu",),
            expected="positive",
        ),
    )

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return linear less log-linear at equal shares."""
        statistics = _scored(systems, systems.test, distributions=True)
        linear, log_linear = (_equal_shares(statistics, kind) for kind in ("linear", "log_linear"))
        texts = [systems.translate(systems.models)], [systems.translate(systems.models, method="log_linear")]
        signs = compare_texts(systems, *texts, ("bleu",))
        return {"or": _with(_gain(statistics, linear, log_linear), signs)}


class Weights(Question):
    """Are weights learned from few examples?"""

    claim = Claim(
        name="few_examples",
        claim="Weights of members are learned from 50 to 100 examples",
        design=f"linear weights by EM from {EXAMPLES} sentences of dev; forced scores of test",
        primary=Comparison(
            name="against_equal",
            short="better than equal shares",
            text=f"weights of {EXAMPLES} examples against equal shares, nats a token saved",
            metrics=NATS,
            signs=("bleu",),
            expected="positive",
        ),
        parts=(
            Comparison(
                name="against_best",
                short="better than the better member",
                text=f"weights of {EXAMPLES} examples against the best member on them, nats a token saved",
                metrics=NATS,
                expected="positive",
            ),
        ),
    )
    needs_dev = True
    examples = EXAMPLES

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return the learned weights less equal ones, and less the best member."""
        dev, test = _scored(systems, systems.dev[:EXAMPLES]), _scored(systems, systems.test)
        learned = fit_constants(dev, "linear")
        own = sum_by_sentence(test, learned.token_log_probs(test))
        best = best_on_dev({n: float(row.sum()) for n, row in enumerate(dev.token_log_probs)})
        weights = [round(weight, 6) for weight in learned.weights]
        texts = [systems.translate(systems.models, coefficients=weights)], [systems.translate(systems.models)]
        signs = compare_texts(systems, *texts, ("bleu",))
        member = sum_by_sentence(test, test.token_log_probs[best])
        return {
            "against_equal": _with(_gain(test, own, _equal_shares(test, "linear")), signs),
            "against_best": _with(_gain(test, own, member)),
        }


class Gate(Question):
    """Does a gate beat constant weights?"""

    claim = Claim(
        name="gate",
        claim="Weights that depend on the context beat constant ones",
        design=f"gate and linear weights learned from {4 * EXAMPLES} sentences of dev; forced scores of test",
        primary=Comparison(
            name="against_constants",
            text="gate against constants, nats a token saved",
            metrics=NATS,
            expected="positive",
        ),
    )
    needs_dev = True
    examples = 4 * EXAMPLES

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return the gate less constants, on sentences that neither saw."""
        dev, test = _scored(systems, systems.dev[: 4 * EXAMPLES]), _scored(systems, systems.test)
        gate, constants = (
            sum_by_sentence(test, fitted.token_log_probs(test))
            for fitted in (fit_gate(dev), fit_constants(dev, "linear"))
        )
        return {"against_constants": _with(_gain(test, gate, constants))}


class Contribution(Question):
    """Do learned coefficients rank members as leaving them out does?"""

    claim = Claim(
        name="contribution",
        claim="An ensemble's coefficients tell what its members contribute",
        design="all sets that lack one of the models; coefficients learned on dev, leave-one-out on test",
        primary=Comparison(
            name="correlation",
            text="Spearman's correlation of coefficient and leave-one-out within an ensemble",
            metrics=("rho",),
            expected="positive",
        ),
    )
    needs_dev = True
    least: ClassVar[int] = 4

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return the mean correlation over sets of models, members resampled."""
        dev, test = _scored(systems, systems.dev), _scored(systems, systems.test)
        numbers = range(len(systems.models))
        sets = list(combinations(numbers, len(numbers) - 1))
        rows = np.stack([_rank_rows(dev, test, members) for members in sets])
        size = len(sets[0])

        def score(sums: FloatArray) -> FloatArray:
            return correlate_ranks(sums[..., :size], sums[..., size:].round(6))

        over = f"{len(sets)} sets of {len(numbers)} models x {rows.shape[1]} utterances"
        result = of_sums(ItemSums(score, rows, np.zeros_like(rows)), over, members=sets)
        return {"correlation": Measured(by_metric={"rho": result})}


def _rank_rows(dev: ReferenceLogProbs, test: ReferenceLogProbs, members: Sequence[int]) -> FloatArray:
    """Return (utterances, 2 members): what each loses without a member, and the members' coefficients."""
    chosen = list(members)
    weights, _ = fit_linear_weights(dev.token_log_probs[chosen])
    own = test.token_log_probs[chosen].double()

    def likelihoods(shares: Tensor) -> FloatArray:
        mixed = (own + (shares / shares.sum()).log()[:, None]).logsumexp(0)
        return sum_by_sentence(test, mixed)

    lost = []
    for left_out in range(len(chosen)):
        rest = weights.double().clamp(min=1e-6)
        rest[left_out] = 0
        lost.append(likelihoods(weights.double()) - likelihoods(rest))
    losses = np.stack(lost, 1)
    return np.concatenate([losses, np.broadcast_to(weights.numpy(), losses.shape)], 1)


def _scored(
    systems: Systems, utterances: Sequence[Utterance], *, distributions: bool = False
) -> ReferenceLogProbs:
    return score_references(
        systems.models, utterances, distributions=distributions, languages=systems.languages
    )


def _equal_shares(statistics: ReferenceLogProbs, kind: str) -> FloatArray:
    count = len(statistics.token_log_probs)
    return sum_by_sentence(
        statistics, reference_log_likelihood(statistics, torch.full((count,), 1 / count), kind)
    )


def _gain(statistics: ReferenceLogProbs, first: FloatArray, second: FloatArray) -> Result:
    tokens = tokens_by_sentence(statistics)
    sums = ItemSums(nats_per_token, sums_of_tokens(first[None], tokens), sums_of_tokens(second[None], tokens))
    return of_sums(sums, f"1 set of models x {len(tokens):,} utterances")


def _with(nats: Result, others: Measured | None = None) -> Measured:
    return Measured(by_metric={"nats": nats, **(others.by_metric if others else {})})
