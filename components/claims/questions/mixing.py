"""Models mixed at every token: against their best, their mean in weights, themselves without dropout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

from components.claims.claim import Claim, Comparison
from components.claims.question import Question, Systems, Texts
from components.claims.statistics.measuring import by_metrics, two_level
from components.claims.systems.workbench import identify
from components.claims.verdict import Measured, Result
from components.merging.soup_recipes import uniform_soup
from components.metrics.statistics.two_level import Arms

METRICS = ("bleu", "chrf")


class Ensembling(Question):
    """Does a mixture beat the best of its members?"""

    claim = Claim(
        name="ensembling",
        claim="Ensembling nearly always reduces error",
        design="mixed at every token, linear, equal shares",
        primary=Comparison(
            name="against_best",
            text="mixed, against the best of them on dev",
            metrics=METRICS,
            expected="positive",
        ),
    )
    needs_dev = True

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return all models mixed, less the best of them."""
        mixed, single = systems.translate(systems.models), systems.translate([systems.best])
        return {"against_best": compare_texts(systems, [mixed], [single])}


class Checkpoints(Question):
    """Do checkpoints of one training, mixed, beat the mean of their weights?"""

    claim = Claim(
        name="checkpoints",
        claim="Checkpoints of one training are an ensemble for the price of one training",
        design="mixed at every token, linear, equal shares",
        primary=Comparison(
            name="against_mean",
            text="checkpoints mixed, against the mean of their weights",
            metrics=METRICS,
            expected="positive",
        ),
        context=(
            Comparison(
                name="against_last",
                text="mixed, against the last of them",
                metrics=METRICS,
                expected="positive",
            ),
        ),
    )
    models = "checkpoints of one training, the last one last"

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return all mixed, less their mean and less the last one."""
        from components.merging.merge import merge  # noqa: PLC0415 - imports torch

        digest = hashlib.sha256(repr([identify(model) for model in systems.models]).encode()).hexdigest()[:16]
        recipe = uniform_soup(systems.models)
        mean = systems.work.make(f"mean-{digest}", lambda folder: merge(recipe, folder))
        mixed = [systems.translate(systems.models)]
        return {
            "against_mean": compare_texts(systems, mixed, [systems.translate([mean])]),
            "against_last": compare_texts(systems, mixed, [systems.translate([systems.models[-1]])]),
        }


class Dropout(Question):
    """Does a model with dropout on, four masks mixed, beat itself without?"""

    claim = Claim(
        name="dropout",
        claim="Dropout at test time is an ensemble that costs no training",
        design="four random masks of each model mixed at every token; models are the replicates",
        primary=Comparison(
            name="masks",
            text="4 masks against the model without dropout",
            metrics=METRICS,
            expected="positive",
        ),
    )
    models = "translators that were trained with dropout"
    least: ClassVar[int] = 1

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return each model's masks less the model."""
        masks = [systems.translate([f"dropout:{model}"] * 4) for model in systems.models]
        plain = [systems.translate([model]) for model in systems.models]
        return {"masks": compare_texts(systems, masks, plain)}


def compare_texts(
    systems: Systems, first: Sequence[Texts], second: Sequence[Texts], metrics: Sequence[str] = METRICS
) -> Measured:
    """Compare replicates of texts with others, by metrics; of one replicate only utterances are resampled."""

    def test(metric: str) -> Result:
        arms: Arms = ([systems.score(t, metric) for t in first], [systems.score(t, metric) for t in second])
        return two_level(*arms, replicates="systems", items="utterances")

    return by_metrics(metrics, test)
