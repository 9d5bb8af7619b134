"""Parameters of the flow `probe`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from components.stage_settings import ModelRef
from flows.parameters.pipeline import PipelineParameters


class ProbeParameters(PipelineParameters):
    """What can be set on a probe: the graph whose recognizer is probed, the recordings, what is changed."""

    model_config = ConfigDict(title="Probe")

    node: str | None = Field(
        None, description="the node of kind recognize that is probed; the first if empty"
    )
    words: int = Field(
        2, ge=1, le=20, description="words of each recording that are silenced, in a copy each"
    )
    language_model: ModelRef = Field(
        "packaged:smollm2-135m-instruct", description="causal language model that guesses the words"
    )
    voice: Literal["piper", "espeak-ng", "flite"] | None = Field(
        None, description="engine that speaks sentences again with another number; none if empty"
    )
