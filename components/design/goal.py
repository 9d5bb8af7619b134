"""What a design is for: the models that may be used, and what a system may cost."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ByteSize, Field

from components.analysis.formatting import format_bytes
from components.records import Record
from components.stage_settings import Settings

LIMIT_ERROR = 0.05
"""Probability with which a system that breaks a limit may pass its test."""


class Limits(Settings):
    """What a system may cost; empty: as much as it likes.

    Attributes:
        seconds: of computing per utterance, in batches, models loaded.
        seconds_per_hour: of computing per hour of audio.
        price: per hour of audio, or per utterance of text: of the machine and of served models.
        p95: 95th percentile of the seconds of one utterance at a time.
        memory: peak bytes of the stage that needs most, as 4GB.
        licences: of all models; a licence fits that contains one of these words.
    """

    seconds: float | None = Field(None, gt=0, description="of computing per utterance")
    seconds_per_hour: float | None = Field(None, gt=0, description="of computing per hour of audio")
    price: float | None = Field(
        None, gt=0, description="per hour of audio (per utterance of text); machines by price_per_hour"
    )
    p95: float | None = Field(
        None, gt=0, description="95th percentile of the seconds of one utterance at a time"
    )
    memory: ByteSize | None = Field(None, gt=0, description="peak memory of a stage, as 4GB")
    licences: tuple[str, ...] = Field((), description="words of which a model's licence has one, as MIT")

    @property
    def of_costs(self) -> dict[str, float]:
        """The limits that are tested on measured costs: name -> at most."""
        names = ("seconds", "seconds_per_hour", "price", "p95", "memory")
        return {name: float(value) for name in names if (value := getattr(self, name)) is not None}


class Costs(Record):
    """What a system costs, measured.

    Attributes: as :class:`Limits`; None where it was not measured, or has no meaning for the data.
    """

    seconds: float = Field(ge=0)
    seconds_per_hour: float | None = None
    price: float | None = None
    p95: float | None = None
    memory: float | None = None


class LimitTest(Record):
    """Whether a system keeps a limit.

    Attributes:
        limit: its name.
        allowed: at most.
        measured: the estimate.
        upper: its one-sided upper confidence bound at :data:`LIMIT_ERROR`; None where there are too few data.
        keeps: whether the bound is within the limit; None where it is not, but what was measured is.
    """

    limit: str
    allowed: float
    measured: float
    upper: float | None = None

    def __str__(self) -> str:
        """Return what was measured, its bound, and what is allowed."""
        bound = "too few data for a bound" if self.upper is None else f"up to {self._show(self.upper)}"
        said = "" if self.upper == self.measured else f" ({bound})"
        return f"{self.limit} {self._show(self.measured)}{said} of {self._show(self.allowed)}"

    def _show(self, value: float) -> str:
        if self.limit == "memory":
            return format_bytes(round(value))
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    @property
    def keeps(self) -> bool | None:
        """Whether it surely keeps the limit; None: it cannot be told."""
        if self.measured > self.allowed:
            return False
        return True if self.upper is not None and self.upper <= self.allowed else None


class ModelChoice(NamedTuple):
    """A model that may be used.

    Attributes:
        reference: of it.
        task: what it does: recognize, translate_speech or translate.
        size: bytes of its files, where that is known.
        licence: in a line, where that is known.
        settings: of the node that uses it, such as the beam of a language model.
    """

    reference: str
    task: str
    size: int | None = None
    licence: str = ""
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def short(self) -> str:
        """Its name without scheme and organization."""
        return self.reference.partition(":")[2].rpartition("/")[2] or self.reference
