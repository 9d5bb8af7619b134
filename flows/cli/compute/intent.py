"""A guard against long trainings by mere defaults."""

from __future__ import annotations

from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions, accept_any

LONG_TRAININGS: Extensions[Any] = Extensions("antiphon.long_trainings", "long training", accept_any)
"""Flow -> function that describes the training it would run by mere defaults; None if something was set."""


def require_intent(flow: str, parameters: Any) -> None:
    """Refuse a long training on which nothing was set.

    Raises:
        ConfigError: what the flow would do, and how long it would take.
    """
    description = LONG_TRAININGS[flow](parameters) if flow in LONG_TRAININGS else None
    if description is not None:
        raise ConfigError(
            f"{flow}: nothing of its training is set, so it would {description} on one CPU core; set what "
            f"you want (antiphon run {flow} --parameters), or add --yes"
        )
