"""What can be set on a refinement: the form, the YAML file and the flags."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.recognition.config import RecognitionConfig
from components.refining.config import RefineConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters


class RefineParameters(DataParameters):
    """What can be set on a refinement."""

    model_config = ConfigDict(title="Refinement")

    draft: str | None = Field(
        None,
        title="Draft",
        description="a finished run whose mt stage is refined, with its data",
    )
    rounds: int = Field(2, ge=1, le=20, title="Rounds", description="budget: rounds of refinement at most")
    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text, where data are spoken"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="First pass", description="writes the draft, round 0"
    )
    refine: RefineConfig = Field(
        default=RefineConfig(), title="Refinement", description="who proposes, what accepts, when to stop"
    )
