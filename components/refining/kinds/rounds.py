"""Base of the nodes of rounds: each reads a draft and all rounds after it, and decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel
from typing_extensions import override

from components import neural_metrics
from components.confidence.estimators.config import VERSION as ESTIMATOR_VERSION
from components.models.sources.served import chat_fingerprints
from components.nodes.facts import Carry, Facts, Items, Need
from components.nodes.kind import Kind
from components.nodes.site import Item, Site
from components.records import NBest
from components.refining.config import MODEL_GATES, VERSION, RoundsConfig
from components.refining.kinds import estimator_reference

MAX_ROUNDS = 20
"""Rounds of one node at most."""
LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacrebleu")
S = TypeVar("S", bound=RoundsConfig)


class Round(Kind[S]):
    """One round over a draft; written as ``refine`` or ``loop``, which stand for several."""

    inputs = (1, MAX_ROUNDS + 2)
    version = str(VERSION)
    libraries = LIBRARIES
    texts_to_compare: ClassVar[int | None] = 1
    """Texts that a fitted estimator sees, the one that is judged among them; None: those that nodes gave."""
    items = Items(Carry.SOURCE, Need.UNLESS_PASSED)

    @override
    def facts(self, settings: S) -> Facts:
        facts = super().facts(settings)
        gate = () if settings.gate in MODEL_GATES else ("gate_model",)
        estimates = f"{VERSION}/estimates/{ESTIMATOR_VERSION}"
        return replace(
            estimator_reference.with_estimator(facts, settings.estimator),
            version=estimates if settings.uses_estimates else self.version,
            models={role: name for role, name in facts.models.items() if role not in gate},
            needs_unseen=settings.uses_estimates,
            ways=("going", "stopped"),
            is_scored=False,  # rounds have a table of their own
        )

    @override
    def check_table(self, settings: S, site: Site, role: str, maker: BaseModel) -> None:
        """Check that the estimator will be fitted on features that a proposed text has."""
        estimator_reference.check_features(settings.estimator, maker, self.texts_to_compare)

    @override
    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """Return everything but models and device."""
        values = settings.key_parameters()
        if settings.gate == "quality_estimation":
            values["neural_metrics"] = neural_metrics.version
        return values

    @override
    def digests(self, settings: S, site: Site) -> dict[str, str]:
        """Return what the servers of served models say of themselves, and the digest of the estimator."""
        estimator = estimator_reference.digest_of(settings.estimator, site.store)
        return {**chat_fingerprints(self.facts(settings).models), **estimator}


def texts_of(item: Item) -> list[NBest]:
    """Return the outcomes of a round's inputs for an utterance, in order."""
    return [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
