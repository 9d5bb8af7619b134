"""Parameters of the flow `estimate`, and the pipeline that they stand for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from components.confidence.estimators.config import EstimatorConfig
from components.editing.run_texts import find_source
from components.errors import AntiphonError, ConfigError
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.store import Store
from components.text.suggestions import did_you_mean
from components.translation.config import TranslationConfig
from flows.parameters.base import DATA_DESCRIPTION, DataParameters

NODE = "estimator"
"""The node that fits."""


class EstimateParameters(EstimatorConfig, DataParameters):
    """What can be set on the fitting of an estimator."""

    model_config = ConfigDict(title="Estimator")

    data: str | None = Field(
        None,
        title="Development data",
        description=f"with references, 50 utterances or more: {DATA_DESCRIPTION}",
    )
    run: str | None = Field(
        None, description="a finished run on development data, whose texts are taken instead of new ones"
    )
    node: str | None = Field(
        None, description="the node of that run; its translation, else its transcript, if empty"
    )
    of: Literal["transcript", "translation"] = Field(
        "transcript",
        title="Texts",
        description="what is estimated: transcripts of asr, or translations of mt",
    )
    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text, where data are spoken"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="Translation", description="text to text, for of: translation"
    )

    @model_validator(mode="after")
    def _check_source(self) -> EstimateParameters:
        if self.run is None and self.node is not None:
            raise ValueError(f"node: expected run too, whose node it is, found {self.node} alone")
        if self.run is not None and (self.data or self.audio or self.limit):
            raise ValueError(
                "run: expected its own data, found data, audio or limit beside it; leave them out"
            )
        return self


def pipeline(parameters: EstimateParameters) -> Pipeline:
    """The texts of a recognizer, of a translator or of a finished run, and ``estimator``, which is fitted."""
    nodes = _nodes_of_run(parameters) if parameters.run else _nodes_of_models(parameters)
    fit = parameters.model_dump(include=set(EstimatorConfig.model_fields))
    nodes[NODE] = {"kind": "train_estimate", "of": list(nodes)[-1], **fit}
    return parameters.with_edits(read_pipeline({"nodes": nodes, **parameters.languages}))


def _nodes_of_models(parameters: EstimateParameters) -> dict[str, dict[str, Any]]:
    if parameters.data is None and parameters.audio is None:
        raise ConfigError(
            "data: expected a development set with references, such as multi30k:val or dev.jsonl, or run: a "
            "finished run on one, found none"
        )
    nodes: dict[str, dict[str, Any]] = {"asr": {"kind": "recognize", **parameters.asr.model_dump()}}
    if parameters.of == "translation":
        nodes["mt"] = {"kind": "translate", "of": "asr", **parameters.mt.model_dump()}
    return nodes


def _nodes_of_run(parameters: EstimateParameters) -> dict[str, dict[str, Any]]:
    """The texts of the run's node, and those that they were translated from."""
    run = load_source_run(parameters)
    stages = {ref.stage: ref for ref in run.stages}
    node = _node_of(run, parameters.node)
    nodes: dict[str, dict[str, Any]] = {}
    translated = not node.transcribes
    source = find_source(run, node, stages) if translated else None
    if source is not None:
        nodes[source.stage] = {"kind": "stored", "key": source.key}
    to = {"to": node.language} if translated else {}
    key = stages[node.name].key
    nodes[node.name] = {"kind": "stored", "of": list(nodes)[-1] if nodes else DATA, "key": key, **to}
    return nodes


def load_source_run(parameters: EstimateParameters) -> RunRecord:
    """The finished run whose texts are taken.

    Raises:
        ConfigError: there is no such run, or it has no data set.
    """
    try:
        run = Store(parameters.store).load_run(str(parameters.run))
    except AntiphonError as error:
        raise ConfigError(f"run: {error}") from error
    if data_of_run(run) is None:
        raise ConfigError(f"run: expected a run over a data set, found none in {run.name}")
    return run


def data_of_run(run: RunRecord) -> StageRef | None:
    """The data set of a run."""
    return next((ref for ref in run.stages if ref.stage == DATA), None)


def _node_of(run: RunRecord, name: str | None) -> NodeRecord:
    """The node of a run whose texts are estimated: the one that is named, or the last output."""
    finished = {ref.stage for ref in run.stages}
    texts = [n for n in run.pipeline.of_data() if n.gives == "text" and n.name in finished]
    outputs = [run.pipeline.outputs.get(role) for role in ("translation", "transcript")]
    name = name or next((output for output in outputs if output is not None), None)
    node = next((node for node in texts if node.name == name), None)
    if node is None:
        names = [node.name for node in texts]
        hint = did_you_mean(str(name), names)
        raise ConfigError(
            f"node: expected a node of run {run.name} that gives texts, of {', '.join(names) or 'none'}, "
            f"found {name}{hint}"
        )
    return node
