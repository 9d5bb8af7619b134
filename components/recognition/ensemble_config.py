"""Settings of token-level ensembles of recognizers."""

from __future__ import annotations

from pydantic import Field

from components.decoding.member_settings import Combination, MemberDevices
from components.recognition.config import RecognitionConfig

RECOGNITION_VERSION = 1
"""Part of the key of an ensemble of recognizers: changes when the same settings give other outputs."""


class RecognizerEnsembleConfig(MemberDevices, RecognitionConfig):
    """An ensemble of recognizers: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...] = Field(min_length=1)
    combination: Combination = "linear"
    coefficients: tuple[float, ...] = ()
    dropout_rate: float = 0.1
