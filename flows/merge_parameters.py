"""What can be set on a merge: the form, the YAML file and the flags."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataSet, FlowParameters, check_language


class MergeParameters(FlowParameters):
    """What can be set on a merge."""

    model_config = ConfigDict(title="Merge")

    recipe: str = Field(
        title="Recipe",
        min_length=1,
        description="mergekit's YAML: a file, or its text (with line breaks)",
        examples=["recipe.yml"],
    )
    dev: str | None = Field(
        None, title="Development data", description="data set that the gate decides by; empty = no gate"
    )
    test: str | None = Field(
        None, title="Test data", description="data set to score an accepted model on; never decides"
    )
    limit: int | None = Field(None, ge=1, title="Limit", description="only the first so many utterances")
    source_language: str | None = Field(None, title="Source language", description="the data's own if empty")
    target_language: str | None = Field(None, title="Target language", description="the data's own if empty")
    baseline: str | None = Field(
        None,
        title="Baseline",
        description="model that the gate compares with; the recipe's base (else first) model if empty",
    )
    metric: Literal["auto", "bleu", "chrf", "ter", "wer", "cer"] = Field(
        "auto", title="Metric", description="what the gate compares; auto: wer for speech, bleu for text"
    )
    margin: float = Field(
        0.0, ge=0, le=100, title="Margin", description="points that the merged model may be worse"
    )
    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="how speech models are scored"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="Translation", description="how text models are scored"
    )

    @property
    def data_set(self) -> DataSet | None:
        """The development data."""
        languages = self.source_language, self.target_language
        return None if self.dev is None else (self.dev, None, *languages, self.limit)

    _language = field_validator("source_language", "target_language")(check_language)
