"""Parameters of the flow `cascade`, and the pipeline that they stand for."""

from __future__ import annotations

from pydantic import Field

from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig
from flows.parameters.base import DataParameters


class CascadeParameters(DataParameters):
    """What can be set on a cascade."""

    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="Translation", description="text to text"
    )
    blame: bool = Field(
        False,
        description="also translate gold and partly repaired transcripts, to say which stage loses what",
    )


def pipeline(parameters: CascadeParameters) -> Pipeline:
    """``asr`` and, of its transcripts, ``mt``."""
    nodes = {
        "asr": {"kind": "recognize", **parameters.asr.model_dump()},
        "mt": {"kind": "translate", "of": "asr", **parameters.mt.model_dump()},
    }
    return parameters.with_edits(read_pipeline({"nodes": nodes, **parameters.languages}))
