"""Questions that forced scores of references answer: how to mix, how to weigh, who contributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from components.claims.claim import Claim, Comparison
from components.claims.question import Question, Systems
from components.claims.questions.mixing import compare_texts
from components.claims.selection import best_on_dev
from components.claims.statistics.measuring import of_sums
from components.claims.statistics.rank_correlation import correlate_ranks
from components.claims.verdict import Measured, Result
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.records import Utterance

if TYPE_CHECKING:
    from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs

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
        from components.claims.systems import forced_scores as forced  # noqa: PLC0415 - imports torch

        statistics = _scored(systems, systems.test, distributions=True)
        linear, log_linear = (forced.equal_shares(statistics, kind) for kind in ("linear", "log_linear"))
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
        from components.claims.systems import forced_scores as forced  # noqa: PLC0415 - imports torch
        from components.ensembling.token_level.learning import coefficients  # noqa: PLC0415 - imports torch

        dev, test = _scored(systems, systems.dev[:EXAMPLES]), _scored(systems, systems.test)
        learned = coefficients.fit_constants(dev, "linear")
        own = forced.sum_by_sentence(test, learned.token_log_probs(test))
        best = best_on_dev({n: float(row.sum()) for n, row in enumerate(dev.token_log_probs)})
        weights = [round(weight, 6) for weight in learned.weights]
        texts = [systems.translate(systems.models, coefficients=weights)], [systems.translate(systems.models)]
        signs = compare_texts(systems, *texts, ("bleu",))
        member = forced.sum_by_sentence(test, test.token_log_probs[best])
        return {
            "against_equal": _with(_gain(test, own, forced.equal_shares(test, "linear")), signs),
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
        from components.claims.systems import forced_scores as forced  # noqa: PLC0415 - imports torch
        from components.ensembling.token_level.learning import coefficients  # noqa: PLC0415 - imports torch

        dev, test = _scored(systems, systems.dev[: 4 * EXAMPLES]), _scored(systems, systems.test)
        gate, constants = (
            forced.sum_by_sentence(test, fitted.token_log_probs(test))
            for fitted in (coefficients.fit_gate(dev), coefficients.fit_constants(dev, "linear"))
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
        from components.claims.systems import forced_scores as forced  # noqa: PLC0415 - imports torch

        dev, test = _scored(systems, systems.dev), _scored(systems, systems.test)
        numbers = range(len(systems.models))
        sets = list(combinations(numbers, len(numbers) - 1))
        rows = np.stack([forced.rank_rows(dev, test, members) for members in sets])
        size = len(sets[0])

        def score(sums: FloatArray) -> FloatArray:
            return correlate_ranks(sums[..., :size], sums[..., size:].round(6))

        over = f"{len(sets)} sets of {len(numbers)} models x {rows.shape[1]} utterances"
        result = of_sums(ItemSums(score, rows, np.zeros_like(rows)), over, members=sets)
        return {"correlation": Measured(by_metric={"rho": result})}


def _scored(
    systems: Systems, utterances: Sequence[Utterance], *, distributions: bool = False
) -> ReferenceLogProbs:
    from components.claims.systems.forced_scores import score_references  # noqa: PLC0415 - imports torch

    return score_references(
        systems.models, utterances, distributions=distributions, languages=systems.languages
    )


def _gain(statistics: ReferenceLogProbs, first: FloatArray, second: FloatArray) -> Result:
    from components.claims.systems import forced_scores as forced  # noqa: PLC0415 - imports torch

    tokens = forced.tokens_by_sentence(statistics)
    rows = (forced.sums_of_tokens(own[None], tokens) for own in (first, second))
    sums = ItemSums(forced.nats_per_token, *rows)
    return of_sums(sums, f"1 set of models x {len(tokens):,} utterances")


def _with(nats: Result, others: Measured | None = None) -> Measured:
    return Measured(by_metric={"nats": nats, **(others.by_metric if others else {})})
