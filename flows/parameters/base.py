"""What all flows' parameters share; one pydantic model serves Prefect's form, the YAML file and the flags."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.errors import ConfigError
from components.metrics.choices import ModelMetricName
from components.metrics.normalizers import (
    BY_LANGUAGE,
    NORMALIZER_DESCRIPTION,
    NormalizerName,
    check_normalizer,
)
from components.pipeline.graph_steps import GRAPH_STEPS
from components.pipeline.node_edit import NodeEdit
from components.pipeline.pipeline import Pipeline
from components.pipeline.reuse.equivalent_reuse import Reuse
from components.run_record import StageRef
from components.stage_settings import Settings
from components.storage.places.location import find_in_store, local_root
from components.storage.store import check_run_name
from components.text.languages import check_code

if TYPE_CHECKING:
    from components.files.yaml_text import Places

_SECRET = re.compile(  # 'tokens' counts something, a 'token' opens something
    r"(^|_)(token|(secret|password|passwd|credential|api_?key|access_?key|private_?key)s?)($|_)"
)

PRICE_DESCRIPTION = (
    "price of an hour of the machine, in any currency: then tables say what an hour of audio and a million "
    "characters cost"
)
DATA_DESCRIPTION = "manifest (JSONL, TSV), parallel text 'a.en,a.de', or a set: sample, multi30k:SPLIT"


def check_by(check: Callable[[str], object]) -> Callable[[str | None], str | None]:
    """Return the validator of a text that a check refuses by ConfigError: pydantic expects a ValueError."""

    def validate(text: str | None) -> str | None:
        try:
            if text is not None:
                check(text)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return text

    return validate


check_name = check_by(check_run_name)
"""That of the name of a run, or a part of it."""
check_language = check_by(check_code)
"""That of a language code."""


class StoreParameters(Settings):
    """Parameters of everything that reads or writes a store."""

    store: str | None = Field(
        None,
        description="folder or URL (s3://, gs://, az://); ANTIPHON_STORE or ./antiphon-store if empty",
    )

    _store = field_validator("store")(check_by(local_root))


class FlowParameters(StoreParameters):
    """Parameters of every flow."""

    name: str | None = Field(
        None,
        title="Name in the store",
        description="name of the run's folder; the time and the flow if empty",
    )
    replace: bool = Field(
        False, description="replace the finished run of that name, once this one is finished"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of everything that draws random numbers")

    def read_from(self, file: Path, places: Places) -> Self:
        """Return the parameters that a file states, with what depends on where it lies.

        Args:
            file: whose values these are.
            places: of what it states.
        """
        return self

    @property
    def data_set(self) -> DataSet | None:
        """The data set that nodes of the flow's pipeline read as ``data``, if they do."""
        return None

    _name = field_validator("name")(check_name)

    @property
    def languages(self) -> dict[str, str | None]:
        """Source and target language of the flow's graph, as `read_pipeline` takes them."""
        return {}

    @property
    def finished_data(self) -> StageRef | None:
        """The data set of a finished run that they name, instead of one of their own."""
        return None

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """The written nodes of the flow's graph, those that the parameters take from elsewhere replaced."""
        return nodes

    def with_edits(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with the corrections by hand."""
        return pipeline

    @property
    def run_title(self) -> str | None:
        """What an unnamed run is called after the time; None for the flow."""
        return None


Nodes = dict[str, dict[str, Any]]
"""Nodes as they are written in a file, by name."""
GRAPH_KEYS = ("nodes", "outputs", "defaults", "matrix")
"""Keys of a file that are a graph; the others are parameters of the run."""
DataSet = tuple[str | None, str | None, str | None, str | None, int | None]
"""Source or recordings, source and target language, limit: what the ``data`` stage is loaded by."""


def check_metric_names(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Check that no metric is named twice, with two models.

    Raises:
        ValueError: one is (pydantic expects this error).
    """
    names = [metric.partition(":")[0] for metric in metrics]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected each metric once, found {twice} twice; score its models in two runs")
    return metrics


class DataParameters(FlowParameters):
    """Parameters of every flow that runs a graph of models over a data set."""

    engine: Literal["local", "ray"] | None = Field(
        None,
        description="who computes shards: this process or Ray's workers; ANTIPHON_ENGINE or local if empty",
    )
    reuse: Reuse = Field(
        "exact",
        description="what counts as computed already: what is the same to the last bit, or also what another "
        "processor, card or number of threads has computed (equivalent)",
    )
    data: str | None = Field("sample", description=DATA_DESCRIPTION)
    audio: str | None = Field(
        None,
        description="a recording or video, a folder of them, or a pattern such as 'talks/*.m4a', instead of "
        "a data set; several, a line each",
    )
    limit: int | None = Field(None, ge=1, description="only the first so many utterances")
    source_language: str | None = Field(None, description="ISO code such as en; the data's own if empty")
    target_language: str | None = Field(None, description="ISO code such as de; the data's own if empty")

    normalizer: NormalizerName = Field(BY_LANGUAGE, title="Normalizer", description=NORMALIZER_DESCRIPTION)
    price_per_hour: float | None = Field(
        None, gt=0, title="Price per hour", description=PRICE_DESCRIPTION, allow_inf_nan=False
    )

    model_metrics: tuple[ModelMetricName, ...] = Field(
        (),
        title="Metrics by models",
        description="further scores of translations, NAME:MODEL each, such as "
        "comet:hub:Unbabel/wmt22-comet-da or bertscore:FOLDER (docs/evaluation/metrics.md)",
    )
    edits: tuple[NodeEdit, ...] = Field(
        (),
        title="Edits",
        description="corrections by hand that are in the store, by node; `antiphon edit` sets them",
    )

    anyway: bool = Field(
        False,
        description="model auto: translate with a model of another domain where this machine has no other",
    )
    blame: bool = Field(
        False,
        description="also translate gold and partly repaired transcripts, to say which stage loses what",
    )

    _check_metrics = field_validator("model_metrics")(check_metric_names)
    _language = field_validator("source_language", "target_language")(check_language)
    _normalizer = field_validator("normalizer")(check_by(check_normalizer))

    @property
    def data_set(self) -> DataSet:
        """The data set that the pipeline runs over."""
        data = find_in_store(self.data, self.store)
        return data, self.audio, self.source_language, self.target_language, self.limit

    @property
    def languages(self) -> dict[str, str | None]:
        """Source and target language, where they are set, as `read_pipeline` takes them."""
        return {"source_language": self.source_language, "target_language": self.target_language}

    def with_edits(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with the corrections by hand.

        Raises:
            ConfigError: they are of a node that it does not have.
        """
        if not self.edits:
            return pipeline
        edited: Pipeline = GRAPH_STEPS["edits"](pipeline, self.edits)
        return edited

    @model_validator(mode="before")
    @classmethod
    def _check_single_source(cls, values: Any) -> Any:
        """Recordings replace the data set; called with both, only the default of ``data`` gives way."""
        if not isinstance(values, dict) or values.get("audio") is None:
            return values
        default = cls.model_fields["data"].default
        if values.get("data", default) not in (None, default):
            raise ValueError(
                f"expected data or audio, found both ({values['data']} and {values['audio']}); leave one out"
            )
        return {**values, "data": None}


def check_no_secret(names: list[str]) -> None:
    """Refuse parameters that look like secrets: parameters are stored and shown in the UI.

    Raises:
        ConfigError: one of the names looks like a token, a password or a key.
    """
    for name in names:
        if _SECRET.search(name.lower().replace("-", "_")):
            raise ConfigError(
                f"{name}: flow parameters are stored and shown, so secrets are refused; "
                "set it in the environment (HF_TOKEN and the like) or in a Prefect Secret block"
            )
