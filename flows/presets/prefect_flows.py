"""The Prefect flow of every preset by its name: the entry point of its deployments."""

from __future__ import annotations

from typing import Any

from flows.registry import FLOWS


def __getattr__(name: str) -> Any:
    """Return the flow of a preset, made when it is asked for."""
    if name not in FLOWS:
        raise AttributeError(name)
    return FLOWS[name].call
