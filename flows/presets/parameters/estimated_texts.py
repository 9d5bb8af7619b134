"""What the preset ``estimator`` asks: the texts to learn from, new ones or those of a finished run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.editing.run_texts import find_source
from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.run_record import NodeRecord, RunRecord, StageRef
from components.text.suggestions import did_you_mean
from flows.parameters.base import DATA_DESCRIPTION, DataParameters, Nodes
from flows.presets.parameters.finished_run import load_finished

FIT = "estimator"
"""The node that fits."""


class EstimatedTextsParameters(DataParameters):
    """Development data and what is estimated, or a finished run on such data."""

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

    @model_validator(mode="after")
    def _check_source(self) -> EstimatedTextsParameters:
        if self.run is None and self.node is not None:
            raise ValueError(f"node: expected run too, whose node it is, found {self.node} alone")
        if self.run is not None and (self.data or self.audio or self.limit):
            raise ValueError(
                "run: expected its own data, found data, audio or limit beside it; leave them out"
            )
        return self

    def source_run(self) -> RunRecord:
        """Return the finished run whose texts are taken.

        Raises:
            ConfigError: there is no such run, or it has no data set.
        """
        run = load_finished(str(self.run), self.store, "run")
        if _data_of(run) is None:
            raise ConfigError(f"run: expected a run over a data set, found none in {run.name}")
        return run

    @property
    def finished_data(self) -> StageRef | None:
        """The data of the run whose texts are taken."""
        return None if self.run is None else _data_of(self.source_run())

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """Return the nodes with the estimator reading what is estimated."""
        if self.run is None and self.data is None and self.audio is None:
            raise ConfigError(
                "data: expected a development set with references, such as multi30k:val or dev.jsonl, or "
                "run: a finished run on one, found none"
            )
        if self.run is None:
            return {**nodes, FIT: {**nodes[FIT], "of": "mt" if self.of == "translation" else "asr"}}
        texts = _nodes_of_run(self.source_run(), self.node)
        return {**texts, FIT: {**nodes[FIT], "of": list(texts)[-1]}}


def _data_of(run: RunRecord) -> StageRef | None:
    return next((ref for ref in run.stages if ref.stage == DATA), None)


def _nodes_of_run(run: RunRecord, name: str | None) -> Nodes:
    """Return nodes with the texts of a run's node, and those that they were translated from."""
    stages = {ref.stage: ref for ref in run.stages}
    node = _node_of(run, name)
    source = None if node.transcribes else find_source(run, node, stages)
    nodes: Nodes = {} if source is None else {source.stage: {"kind": "reuse", "key": source.key}}
    to = {} if node.transcribes else {"to": node.language}
    of = DATA if source is None else source.stage
    return {**nodes, node.name: {"kind": "reuse", "of": of, "key": stages[node.name].key, **to}}


def _node_of(run: RunRecord, name: str | None) -> NodeRecord:
    """Return the node of a run whose texts are estimated: the one that is named, or the last output."""
    finished = {ref.stage for ref in run.stages}
    texts = [n for n in run.pipeline.of_data() if n.output == "text" and n.name in finished]
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
