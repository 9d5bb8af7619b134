"""What a system costs: computing time, speed, latency, memory, and the price of what it computes on."""

from __future__ import annotations

import operator

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from components.records import Record
from components.run_record import CardMemory

MIN_FOR_P95 = 20
"""Requests that a 95th percentile needs; of fewer it would be their slowest one."""


class Latency(Record):
    """Seconds from an utterance to its output, one utterance at a time, with the models loaded.

    Attributes:
        n: utterances that were measured.
        p50: median seconds.
        p95: 95th percentile; None of fewer than 20.
        seconds: of all of them.
        audio_seconds: length of their audio; 0 of text.
    """

    n: int = Field(ge=1)
    p50: float = Field(ge=0)
    p95: float | None = Field(default=None, ge=0)
    seconds: float = Field(ge=0)
    audio_seconds: float = Field(default=0.0, ge=0)

    @property
    def rtfx(self) -> float | None:
        """Seconds of audio per second of computing; None of text."""
        return self.audio_seconds / self.seconds if self.audio_seconds and self.seconds else None


class Cost(Record):
    """Computing cost of a system's stages, measured when they were computed (maybe by an earlier run).

    Attributes:
        seconds: of computing, in batches, without loading models.
        is_known: whether they are; those of texts that came from elsewhere are not.
        real_time_factor: seconds of computing per second of audio; None where some of the data are texts.
        peak_memory_bytes: of the stage that needed most.
        card_memory: peak of each card's memory, by its name, likewise.
        parameters: of all models; None where one is no longer there to be counted.
        calls: utterances times the stages that decoded them.
        characters: of the text that went in; None of speech.
        price_per_hour: of the machine, where it was stated.
        latency: of one utterance at a time, where it was measured.
        served_price: what served models were paid for, where a table has their prices.
    """

    seconds: float = Field(ge=0)
    is_known: bool = Field(default=True, exclude_if=bool)
    real_time_factor: float | None = Field(default=None, ge=0)
    peak_memory_bytes: int = Field(ge=0)
    card_memory: CardMemory = Field(default_factory=dict, exclude_if=operator.not_)
    parameters: int | None = Field(default=None, ge=0)
    calls: int = Field(ge=0)
    characters: int | None = Field(default=None, ge=0)
    price_per_hour: float | None = Field(default=None, gt=0)
    latency: Latency | None = None
    served_price: float | None = Field(default=None, ge=0)

    @model_serializer(mode="wrap")
    def _leave_out_no_price(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Costs without served models are written as they were before there were any."""
        values: dict[str, object] = handler(self)
        if self.served_price is None:
            del values["served_price"]
        return values

    @property
    def rtfx(self) -> float | None:
        """Seconds of audio per second of computing, the Open ASR leaderboard's RTFx: total by total."""
        return 1 / self.real_time_factor if self.real_time_factor else None

    @property
    def price_of_audio_hour(self) -> float | None:
        """Price of an hour of audio: of the machine and of served models, as far as they are known."""
        price = self._price
        if price is None or not self.real_time_factor or not self.seconds:
            return None
        return price * 3600 * self.real_time_factor / self.seconds

    @property
    def price_of_million_characters(self) -> float | None:
        """Price of a million characters of source text: of the machine and of served models."""
        price = self._price
        if price is None or not self.characters:
            return None
        return price / (self.characters / 1e6)

    @property
    def _price(self) -> float | None:
        """Price of the run."""
        if self.price_per_hour is None:
            return self.served_price
        return self.price_per_hour * self.seconds / 3600 + (self.served_price or 0.0)
