"""Settings of speech synthesis. Flat, described, bounded: the Prefect UI makes its form of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.stage_settings import Settings

VERSION = 2
"""Of the synthesizer: changes when its outputs do."""


class SynthesisConfig(Settings):
    """Settings of a speech synthesizer: engine, voices, speed."""

    engine: Literal["piper", "espeak-ng", "flite"] = Field(
        "piper",
        description="piper needs the extra 'speech'; the others are programs, Debian packages of their names",
    )
    voices: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="the engine's voices, spread over the utterances by their ids; empty = its default",
    )
    speed: float = Field(1.0, ge=0.5, le=2.0, description="1 is the voice's own speed, 2 twice as fast")
    max_characters: int = Field(
        1000, ge=1, le=100_000, description="longer texts are quarantined: split them into sentences"
    )
