"""What can be set on a refinement: the form, the YAML file and the flags."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.recognition.config import RecognitionConfig
from components.refining.config import RefineConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters


class RefineRecognition(RecognitionConfig):
    """Settings of the speech recognition stage."""

    model_config = ConfigDict(title="Recognition (asr)")


class RefineTranslation(TranslationConfig):
    """Settings of the first pass."""

    model_config = ConfigDict(title="First pass (mt)")


class RefineSettings(RefineConfig):
    """Settings of the rounds."""

    model_config = ConfigDict(title="Refinement (refine)")


class RefineParameters(DataParameters):
    """What can be set on a refinement."""

    model_config = ConfigDict(title="Refinement")

    draft: str | None = Field(
        None,
        title="Draft",
        description="a finished run whose mt stage is refined, with its data",
    )
    rounds: int = Field(2, ge=1, le=20, title="Rounds", description="budget: rounds of refinement at most")
    asr: RefineRecognition = Field(
        default=RefineRecognition(), title="Recognition", description="speech to text, where data are spoken"
    )
    mt: RefineTranslation = Field(
        default=RefineTranslation(), title="First pass", description="writes the draft, round 0"
    )
    refine: RefineSettings = Field(
        default=RefineSettings(), title="Refinement", description="who proposes, what accepts, when to stop"
    )
