"""Base of the nodes of rounds: each reads a draft and all rounds after it, and decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from typing_extensions import override

from components.confidence.estimators.config import VERSION as ESTIMATOR_VERSION
from components.models.sources.served import chat_fingerprints
from components.nodes.facts import Carry, Facts, Items, Need, state
from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext
from components.records import NBest
from components.refining.config import MODEL_GATES, VERSION, RoundsConfig
from components.refining.kinds import estimator_reference

MAX_ROUNDS = 20
"""Rounds of one node at most."""


class GatedSettings(Protocol):
    """Settings of what a gate accepts or refuses."""

    gate: str
    estimator: str | None

    @property
    def uses_estimates(self) -> bool:
        """Whether texts need the estimates of a fitted estimator."""

    @property
    def runs_models(self) -> bool:
        """Whether models write or judge the texts."""


LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacrebleu")
S = TypeVar("S", bound=BaseModel)
R = TypeVar("R", bound=RoundsConfig)


class Gated(Kind[S]):
    """Proposes texts that a gate accepts or refuses."""

    def count_texts(self, context: NodeContext) -> int | None:
        """Count the texts that a fitted estimator sees, the judged one among them; None: those of nodes."""
        return 1

    @override
    def facts(self, settings: S) -> Facts:
        facts, gated = super().facts(settings), _gated(settings)
        if not gated.runs_models:
            facts = replace(facts, libraries=())
        gate = () if gated.gate in MODEL_GATES else ("gate_model",)
        estimates = f"{self.version}/estimates/{ESTIMATOR_VERSION}"
        return replace(
            estimator_reference.with_estimator(facts, gated.estimator),
            version=estimates if gated.uses_estimates else self.version,
            models={role: name for role, name in facts.models.items() if role not in gate},
            needs_unseen=gated.uses_estimates,
        )

    @override
    def check_table(self, settings: S, context: NodeContext, role: str, maker: BaseModel) -> None:
        """Check that the estimator will be fitted on features that a proposed text has."""
        estimator_reference.check_features(_gated(settings).estimator, maker, self.count_texts(context))

    @override
    def digests(self, settings: S, context: NodeContext) -> dict[str, str]:
        """Return what the servers of served models say of themselves, and the digest of the estimator."""
        estimator = estimator_reference.digest_of(_gated(settings).estimator, context.store)
        return {**chat_fingerprints(self.facts(settings).models), **estimator}


def _gated(settings: Any) -> GatedSettings:
    """Return the settings as those of a gate, which a type variable cannot say beside ``BaseModel``."""
    gated: GatedSettings = settings
    return gated


class Round(Gated[R]):
    """One round over a draft; written as ``refine`` or ``loop``, which stand for several."""

    inputs = (1, MAX_ROUNDS + 2)
    version = str(VERSION)
    libraries = LIBRARIES
    stated = state(branches=("going", "stopped"), is_scored=False, analyses=("rounds",))
    items = Items(Carry.SOURCE, Need.UNLESS_PASSED)


def texts_of(item: Item) -> list[NBest]:
    """Return the outcomes of a round's inputs for an utterance, in order."""
    return [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
