"""Settings of perturbations; each at its default changes nothing.

Flat, described and bounded, so that a ``matrix`` of strengths is a list of values. Where nothing is changed,
an amount of a text's perturbation (0, not None) says that the input is a text.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from components.stage_settings import FilePath, Settings, key_values

VERSION = 2
"""Part of the keys of perturbed data: changes when the same settings give another sound or text."""


class PerturbationConfig(Settings):
    """How much worse speech or a text becomes; of one of the two, not of both."""

    snr_db: float | None = Field(
        None,
        ge=-20,
        le=60,
        description="speech: noise is added at this ratio of speech to noise in decibels, exactly",
    )
    noise: Literal["white", "pink"] = Field(
        "pink",
        description="the noise: white has equal power at all frequencies, pink falls by 3 dB an octave",
    )
    noise_file: FilePath | None = Field(
        None, description="a recording of noise instead; each utterance takes another stretch of it"
    )
    speed: float = Field(
        1.0, ge=0.5, le=2.0, description="speech: as a faster or slower tape, pitch included (Ko et al. 2015)"
    )
    reverb_seconds: float = Field(
        0.0, ge=0, le=3, description="speech: seconds until the echo has fallen by 60 dB (a hall: 1 to 2)"
    )
    min_hz: float = Field(
        0.0, ge=0, le=4000, description="speech: lower frequencies are removed (telephone: 300)"
    )
    max_hz: float = Field(
        8000.0, ge=500, le=8000, description="speech: higher frequencies are removed (telephone: 3400)"
    )
    clipping: float = Field(
        0.0, ge=0, le=0.9, description="speech: share of samples that are cut off, as by an overdriven input"
    )
    typos: float | None = Field(
        None,
        ge=0,
        le=1,
        description="text: share of words with a letter left out, doubled, swapped or mistyped",
    )
    disfluencies: float | None = Field(
        None, ge=0, le=1, description="text: share of words with a filler before them, or said twice"
    )
    lowercase: bool | None = Field(None, description="text: without capital letters")
    strip_punctuation: bool | None = Field(None, description="text: without punctuation")

    @property
    def changes_speech(self) -> bool:
        """Whether it perturbs speech."""
        bands = self.min_hz > 0 or self.max_hz < 8000
        return (
            self.snr_db is not None
            or self.speed != 1
            or self.reverb_seconds > 0
            or bands
            or self.clipping > 0
        )

    @property
    def changes_text(self) -> bool:
        """Whether it perturbs text."""
        return any((self.typos, self.disfluencies, self.lowercase, self.strip_punctuation))

    @property
    def is_of_text(self) -> bool:
        """Whether it gives text: it changes it, or an amount of text is set, be it to nothing (a matrix)."""
        of_text = (self.typos, self.disfluencies, self.lowercase, self.strip_punctuation)
        return not self.changes_speech and any(amount is not None for amount in of_text)

    @model_validator(mode="after")
    def _check_sorts(self) -> Self:
        if self.changes_speech and self.changes_text:
            raise ValueError("expected perturbations of speech or of text, found both; write two nodes")
        if self.noise_file is not None and self.snr_db is None:
            raise ValueError("noise_file: expected snr_db with it, found none; set both")
        if self.min_hz >= self.max_hz:
            raise ValueError(f"min_hz: expected less than max_hz {self.max_hz:g}, found {self.min_hz:g}")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return what is set; without a recording of noise that it is none."""
        no_file = {"noise_file": None} if self.noise_file is None else {}
        return key_values(self) | no_file
