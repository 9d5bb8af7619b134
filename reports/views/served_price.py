"""What the served models of a run were paid for: counts of its hypotheses, and the user's table of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.endpoints.prices import read_prices
from components.endpoints.usage import add_counts
from components.models.sources.served import is_served
from components.run_record import StageRef
from components.storage.reader import read_nbests


def price_of_served(plans: Sequence[tuple[StageRef, Mapping[str, Any]]]) -> float | None:
    """The price of what the stages of a run asked served models for; None where a price is not known.

    A text that a later stage passes on unchanged was asked for once. What judges and gates asked, and answers
    for what was quarantined, is not counted.

    Args:
        plans: the stages that give texts, with their plans.
    """
    asked = [(ref, _asked_model(plan)) for ref, plan in plans]
    served = [(ref, name) for ref, name in asked if name is not None]
    if not served:
        return None
    prices = read_prices()
    if any(name not in prices for _, name in served):
        return None
    passed: set[tuple[str, str]] = set()
    total = 0.0
    for ref, name in served:
        for nbest in read_nbests(ref):
            text = (nbest.utterance_id, nbest.best.model_dump_json())
            if text not in passed:
                passed.add(text)
                total += prices[name].of(add_counts([nbest.best.features]))
    return total


def _asked_model(plan: Mapping[str, Any]) -> str | None:
    """The name of the served model that a stage's texts come from."""
    reference = str(plan.get("models", {}).get("model", ""))
    return reference.partition(":")[2] if reference and is_served(reference) else None
