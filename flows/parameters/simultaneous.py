"""Parameters of the flow `simultaneous`."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, field_validator

from components.simultaneous.policies import HISTORY_SECONDS
from flows.parameters.base import FlowParameters


class SimultaneousParameters(FlowParameters):
    """How a finished run's system is replayed."""

    model_config = ConfigDict(title="Simultaneous")

    run: str = Field(description="a finished run of a cascade, whose recordings are replayed")
    policy: tuple[str, ...] = Field(
        ("local_agreement:2",),
        min_length=1,
        description="what is written when, a setting each: NAME:N, or NODE=NAME:N with spaces between nodes "
        "(docs/families/simultaneous.md)",
    )
    chunk: tuple[float, ...] = Field(
        (1.0,),
        min_length=1,
        description="seconds of sound at a time, a setting each; of text, seconds a word",
    )
    log: tuple[str, ...] = Field(
        (), description="logs of other systems over the same recordings, in simulstream's format"
    )
    history: float = Field(
        HISTORY_SECONDS, ge=2, le=28, description="seconds of sound that a recognizer hears at most"
    )
    limit: int | None = Field(None, ge=1, description="so many recordings, spread over the data set")

    @field_validator("policy", "chunk", "log", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | int | float) else value

    @field_validator("chunk")
    @classmethod
    def _is_time(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        wrong = next((chunk for chunk in value if not 0.05 <= chunk <= 3600), None)
        if wrong is not None:
            raise ValueError(f"expected 0.05 to 3,600 seconds, found {wrong:g}")
        return value
