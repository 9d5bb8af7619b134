"""Parameters of the flow `refine`, and the pipeline that they stand for."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from components.errors import AntiphonError, ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.refining.config import RefineConfig
from components.run_record import StageRef
from components.storage.store import Store
from components.translation.config import TranslationConfig
from flows.parameters.base import DataParameters


class RefineParameters(DataParameters):
    """What can be set on a refinement."""

    model_config = ConfigDict(title="Refinement")

    draft: str | None = Field(
        None,
        description="a finished run whose mt stage is refined, with its data",
    )
    rounds: int = Field(2, ge=1, le=20, description="budget: rounds of refinement at most")
    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text, where data are spoken"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="First pass", description="writes the draft, round 0"
    )
    refine: RefineConfig = Field(
        default=RefineConfig(), title="Refinement", description="who proposes, what accepts, when to stop"
    )


def pipeline(parameters: RefineParameters) -> Pipeline:
    """``asr``, ``mt``, and the rounds ``refine-1``, ``refine-2``, ... over its translations."""
    if parameters.draft is None:
        nodes = {
            "asr": {"kind": "recognize", **parameters.asr.model_dump()},
            "mt": {"kind": "translate", "of": "asr", **parameters.mt.model_dump()},
        }
    else:
        nodes = _nodes_of_draft(draft_of(parameters))
    settings = {**parameters.refine.model_dump(), "rounds": parameters.rounds}
    nodes["refine"] = {"kind": "refine", "of": "mt", **settings}
    return parameters.with_edits(read_pipeline({"nodes": nodes, **parameters.languages}))


def draft_of(parameters: RefineParameters) -> dict[str, StageRef]:
    """The stages of the finished run whose draft is refined, of all its data.

    Raises:
        ConfigError: no such run, one without data or translations, or a limit beside it.
    """
    if parameters.limit is not None:
        raise ConfigError(
            f"limit: expected none with a draft, whose data are refined, found {parameters.limit}"
        )
    try:
        run = Store(parameters.store).load_run(str(parameters.draft))
    except AntiphonError as error:
        raise ConfigError(f"draft: {error}") from error
    stages = {ref.stage: ref for ref in run.stages}
    if "data" not in stages or "mt" not in stages:
        raise ConfigError(
            f"draft {parameters.draft}: expected a run with the stages data and mt, "
            f"found {', '.join(stages) or 'none'}; run the cascade first"
        )
    return stages


def _nodes_of_draft(stages: dict[str, StageRef]) -> dict[str, dict[str, Any]]:
    """The nodes of a finished run's draft, which are computed already."""
    nodes: dict[str, dict[str, Any]] = {}
    if "asr" in stages:
        nodes["asr"] = {"kind": "stored", "key": stages["asr"].key}
    nodes["mt"] = {
        "kind": "stored",
        "to": "target",
        "of": "asr" if "asr" in stages else "data",
        "key": stages["mt"].key,
    }
    return nodes
