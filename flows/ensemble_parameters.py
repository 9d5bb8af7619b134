"""What can be set on an ensemble: the form, the YAML file and the flags."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from components.ensembling.config import PoolingConfig
from components.ensembling.mixing import MixingConfig, TranslatorMembers
from components.recognition.config import RecognitionConfig
from flows.parameters import DataParameters


class EnsembleRecognition(RecognitionConfig):
    """Settings of the recognisers; they differ in their models."""

    model_config = ConfigDict(title="Recognition (asr)")

    members: tuple[str, ...] = Field(
        (), title="Further members", description="models beside the first, such as packaged:whisper-tiny.en"
    )
    combination: Literal["pooled", "linear", "log_linear"] = Field(
        "pooled",
        title="Combination",
        description="pooled = each alone, then pool the transcripts; linear and log_linear = token by token, "
        "for Whisper models of one vocabulary",
    )
    coefficients: tuple[float, ...] = Field(
        (), title="Coefficients", description="linear and log_linear: one per member; empty = equal"
    )


class EnsemblePooling(PoolingConfig):
    """How finished outputs become one."""

    model_config = ConfigDict(title="Pooling (pool)")

    dev: str | None = Field(
        None,
        title="Development data",
        description="reranking without coefficients: what they are learned on, with references; never a test "
        "set",
    )
    dev_limit: int = Field(
        100, title="Development utterances", ge=10, le=10_000, description="the first so many of them"
    )


class EnsembleParameters(DataParameters):
    """What can be set on an ensemble."""

    asr: EnsembleRecognition = Field(
        default=EnsembleRecognition(), title="Recognition", description="speech to text"
    )
    mt: TranslatorMembers = Field(
        default=TranslatorMembers(), title="Translation", description="text to text"
    )
    combine: MixingConfig = Field(
        default=MixingConfig(), title="Combination", description="of the translators, token by token"
    )
    pool: EnsemblePooling = Field(
        default=EnsemblePooling(), title="Pooling", description="of finished transcripts or translations"
    )
