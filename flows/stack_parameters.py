"""What can be set on a stack: the form, the YAML file and the flags."""

from __future__ import annotations

from pydantic import Field

from components.recognition.config import RecognitionConfig
from components.stacking.config import LearnConfig, StackConfig
from components.synthesis.config import SynthesisConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters


class StackParameters(DataParameters):
    """What can be set on a stack."""

    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="First translation", description="text to text: the cascade"
    )
    stack: StackConfig = Field(
        default=StackConfig(), title="Stacked system", description="the system that sees it all"
    )
    learn: LearnConfig = Field(
        default=LearnConfig(), title="Training", description="used where stack names no model"
    )
    synthesis: SynthesisConfig = Field(
        default=SynthesisConfig(), title="Synthesis", description="speech for data that are text only"
    )
