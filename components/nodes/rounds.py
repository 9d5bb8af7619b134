"""Base of the nodes of rounds: each reads a draft and all rounds after it, and decides."""

from __future__ import annotations

from typing import Any, TypeVar

from components import neural_metrics
from components.models.sources.served import chat_fingerprints
from components.nodes.kind import Item, Kind, Site
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

    def version(self, settings: S) -> str:
        """Return the version of the rounds."""
        return str(VERSION)

    def libraries(self, settings: S) -> tuple[str, ...]:
        """Return the libraries of the models that propose and judge."""
        return LIBRARIES

    def models(self, settings: S) -> dict[str, str]:
        """Return the gate's model."""
        return {"gate_model": settings.gate_model} if settings.gate in MODEL_GATES else {}

    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """Return everything but models and device."""
        values = settings.model_dump(mode="json", exclude={"model", "gate_model", "device"})
        if settings.gate == "quality_estimation":
            values["neural_metrics"] = neural_metrics.version
        return values

    def digests(self, settings: S, site: Site) -> dict[str, str]:
        """Return what the servers of served models say of themselves."""
        return chat_fingerprints(**self.models(settings))

    def device(self, settings: S) -> str:
        """Return the device that is set."""
        return settings.device

    def ways(self, settings: S) -> tuple[str, ...]:
        """Return the two ways: an utterance goes on after this round, or has stopped."""
        return ("going", "stopped")


def texts_of(item: Item) -> list[NBest]:
    """Return the outcomes of a round's inputs for an utterance, in order."""
    return [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
