"""What the nodes of rounds have in common: each reads a draft and all rounds after it, and decides."""

from __future__ import annotations

from typing import Any, TypeVar

from components.nodes.kind import Item, Kind, Site
from components.records import NBest
from components.refining.config import MODEL_GATES, VERSION, RoundsConfig

MAX_ROUNDS = 20
"""Rounds at most."""
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
        """Of rounds."""
        return str(VERSION)

    def libraries(self, settings: S) -> tuple[str, ...]:
        """Of the models that propose and judge."""
        return LIBRARIES

    def models(self, settings: S) -> dict[str, str]:
        """The gate's model."""
        return {"gate_model": settings.gate_model} if settings.gate in MODEL_GATES else {}

    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """Everything but models and where it computes."""
        return settings.model_dump(mode="json", exclude={"model", "gate_model", "device"})

    def device(self, settings: S) -> str:
        """As set."""
        return settings.device

    def ways(self, settings: S) -> tuple[str, ...]:
        """Whether an utterance goes on after this round."""
        return ("going", "stopped")


def texts_of(item: Item) -> list[NBest]:
    """What the inputs of a round gave for an utterance, in order."""
    return [outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)]
