"""What a node's workers need of a cluster: ``resources: {gpus: 0.25, cpus: 4}``. It stands in no key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from components.stage_settings import Settings


class Resources(Settings):
    """What each worker of a node holds, and how many there are; what is not set, the engine decides.

    Attributes:
        gpus: cards of a worker: a whole number, or a part of one.
        cpus: processors of a worker.
        replicas: workers at most.
    """

    gpus: float | None = Field(None, ge=0, le=64, allow_inf_nan=False)
    cpus: float | None = Field(None, ge=0, le=1024, allow_inf_nan=False)
    replicas: Literal["auto"] | int = "auto"

    @field_validator("gpus")
    @classmethod
    def _check_gpus(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ValueError(f"expected a whole number of cards, or a part of one, found {gpus:g}")
        return gpus

    @field_validator("replicas", mode="before")
    @classmethod
    def _check_replicas(cls, replicas: object) -> object:
        is_number = isinstance(replicas, int) and not isinstance(replicas, bool)
        if replicas != "auto" and not (is_number and 1 <= replicas <= 10_000):  # type: ignore[operator]
            raise ValueError(f"expected auto or a number from 1 to 10,000, found {replicas!r}")
        return replicas

    def describe(self) -> str:
        """Return what is set, in a few words; empty where nothing is."""
        return ", ".join(f"{name} {value}" for name, value in self.model_dump(exclude_defaults=True).items())
