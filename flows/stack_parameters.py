"""What can be set on a stack: the form, the YAML file and the flags."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.recognition.config import RecognitionConfig
from components.stacking.config import LearnConfig, StackConfig
from components.synthesis.config import SynthesisConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters


class StackRecognition(RecognitionConfig):
    """Settings of the speech recognition stage."""

    model_config = ConfigDict(title="Recognition (asr)")


class StackTranslation(TranslationConfig):
    """Settings of the first translation: of the transcript, by the cascade."""

    model_config = ConfigDict(title="First translation (mt)")


class StackSystem(StackConfig):
    """Settings of the second system."""

    model_config = ConfigDict(title="Stacked system (stack)")


class StackLearning(LearnConfig):
    """Settings of the training of the second system."""

    model_config = ConfigDict(title="Training of the stacked system (learn)")


class StackSynthesis(SynthesisConfig):
    """Settings of the speech that is made of text."""

    model_config = ConfigDict(title="Speech of text-only data (synthesis)")


class StackParameters(DataParameters):
    """What can be set on a stack."""

    asr: StackRecognition = Field(
        default=StackRecognition(), title="Recognition", description="speech to text"
    )
    mt: StackTranslation = Field(
        default=StackTranslation(), title="First translation", description="text to text: the cascade"
    )
    stack: StackSystem = Field(
        default=StackSystem(), title="Stacked system", description="the system that sees it all"
    )
    learn: StackLearning = Field(
        default=StackLearning(), title="Training", description="used where stack names no model"
    )
    synthesis: StackSynthesis = Field(
        default=StackSynthesis(), title="Synthesis", description="speech for data that are text only"
    )
