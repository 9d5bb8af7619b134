"""Base of the nodes of rounds: each reads a draft and all rounds after it, and decides."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from components import neural_metrics
from components.confidence.estimators.config import VERSION as ESTIMATOR_VERSION
from components.models.sources.served import chat_fingerprints
from components.nodes import estimator_reference
from components.nodes.kind import Kind
from components.nodes.site import Item, Site
from components.records import NBest
from components.refining.config import MODEL_GATES, VERSION, RoundsConfig

MAX_ROUNDS = 20
"""Rounds of one node at most."""
LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacrebleu")
S = TypeVar("S", bound=RoundsConfig)


class Round(Kind[S]):
    """One round over a draft; written as ``refine`` or ``loop``, which stand for several."""

    inputs = (1, MAX_ROUNDS + 2)
    needs_inputs = True
    looks_back = True
    scored = False
    passes = True
    made_by: ClassVar = {estimator_reference.ROLE: estimator_reference.MADE_BY}
    texts_to_compare: ClassVar[int | None] = 1
    """Texts that a fitted estimator sees, the one that is judged among them; None: those that nodes gave."""

    def version(self, settings: S) -> str:
        """Return the version of the rounds, and of the estimates that are used."""
        return f"{VERSION}/estimates/{ESTIMATOR_VERSION}" if settings.uses_estimates else str(VERSION)

    def libraries(self, settings: S) -> tuple[str, ...]:
        """Return the libraries of the models that propose and judge."""
        return (*LIBRARIES, *estimator_reference.libraries(settings.estimator, LIBRARIES))

    def tables(self, settings: S) -> dict[str, str]:
        """Return the node that fits the estimator."""
        return estimator_reference.table_of(settings.estimator)

    def check_table(self, settings: S, site: Site, role: str, maker: BaseModel) -> None:
        """Check that the estimator will be fitted on features that a proposed text has."""
        estimator_reference.check_features(settings.estimator, maker, self.texts_to_compare)

    def files(self, settings: S) -> dict[str, str]:
        """Return the file of an estimator that is named by its path."""
        return estimator_reference.file_of(settings.estimator)

    def models(self, settings: S) -> dict[str, str]:
        """Return the gate's model."""
        return {"gate_model": settings.gate_model} if settings.gate in MODEL_GATES else {}

    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """Return everything but models and device."""
        values = settings.key_parameters()
        if settings.gate == "quality_estimation":
            values["neural_metrics"] = neural_metrics.version
        return values

    def estimators(self, settings: S) -> tuple[str, ...]:
        """Return the estimator, if one is set."""
        return () if settings.estimator is None else (settings.estimator,)

    def needs_unseen(self, settings: S) -> bool:
        """Return whether an estimator decides which texts are delivered."""
        return settings.uses_estimates

    def digests(self, settings: S, site: Site) -> dict[str, str]:
        """Return what the servers of served models say of themselves, and the digest of the estimator."""
        estimator = estimator_reference.digest_of(settings.estimator, site.store)
        return {**chat_fingerprints(self.models(settings)), **estimator}

    def device(self, settings: S) -> str:
        """Return the device that is set."""
        return settings.device

    def ways(self, settings: S) -> tuple[str, ...]:
        """Return the two ways: an utterance goes on after this round, or has stopped."""
        return ("going", "stopped")


def texts_of(item: Item) -> list[NBest]:
    """Return the outcomes of a round's inputs for an utterance, in order."""
    return [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
