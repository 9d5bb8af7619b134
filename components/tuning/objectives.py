"""What a search optimizes: a metric of any node, or what the pipeline costs."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ConfigError
from components.metrics.metric import Metric, Output
from components.metrics.metric_names import split_metric
from components.metrics.table import METRICS, get_metric, get_model_metric, sort_metrics
from components.pipeline.pipeline import DATA, Pipeline
from components.text.suggestions import suggest

SECONDS, PRICE = "seconds", "price"
COSTS = {
    SECONDS: "seconds of computing per utterance, models loaded",
    PRICE: "price of an utterance: of the machine (price_per_hour) and of served models",
}
"""Objectives that are no metric, and what they are."""


@dataclass(frozen=True)
class Objective:
    """One of the things that a search optimizes.

    Attributes:
        name: as it is written: METRIC, NODE.METRIC, ``seconds`` or ``price``.
        metric: METRIC, with its model behind a colon if it has one; empty of a cost.
        node: whose texts are scored; empty for the output that the metric is of.
    """

    name: str
    metric: str = ""
    node: str = ""

    @property
    def row(self) -> Metric | None:
        """The metric; None of a cost."""
        if not self.metric:
            return None
        return get_model_metric(self.metric) if ":" in self.metric else get_metric(self.metric)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self.row is not None and self.row.higher_is_better

    def node_in(self, pipeline: Pipeline) -> str:
        """Return the node of a pipeline whose texts are scored, in which one may stand for several."""
        if self.node:
            return pipeline.aliases.get(self.node, self.node)
        assert self.row is not None
        return pipeline.outputs[self.row.output]


def read_objective(name: str, pipeline: Pipeline) -> Objective:
    """Read an objective, and check that the pipeline gives it.

    Raises:
        ConfigError: there is no such node or metric, or the node's texts are not scored by it.
    """
    if name in COSTS:
        return Objective(name)
    nodes = {*pipeline.definitions, *pipeline.nodes}
    first, dot, rest = name.partition(".")
    node, metric = (first, rest) if dot and ":" not in first else ("", name)
    if node and node not in nodes:
        raise ConfigError(f"{name}: there is no node {node!r}{suggest(node, sorted(nodes))}")
    if split_metric(metric)[0] not in METRICS:
        hint = suggest(metric, [*sort_metrics(METRICS), *COSTS])
        raise ConfigError(
            f"{name}: expected METRIC, NODE.METRIC, seconds or price, found no such metric{hint}"
        )
    objective = Objective(name, metric, node)
    row = objective.row
    assert row is not None
    _check_node(objective, row.output, pipeline)
    return objective


def _check_node(objective: Objective, output: Output, pipeline: Pipeline) -> None:
    name = objective.name
    if not objective.node and output not in pipeline.outputs:
        given = ", ".join(f"{role} {node}" for role, node in pipeline.outputs.items()) or "none"
        raise ConfigError(
            f"{name}: expected a {output} to score, found no node that gives one (outputs: {given})"
        )
    node = objective.node_in(pipeline)
    if pipeline.type_of(node) != "text":
        raise ConfigError(
            f"{name}: expected a node that gives text, found {node}, which gives {pipeline.type_of(node)}"
        )
    if pipeline.data_of(node) != DATA:
        raise ConfigError(
            f"{name}: expected a node that reads data, found one that reads {pipeline.data_of(node)}"
        )
    found: Output = "transcript" if pipeline.is_spoken(node) else "translation"
    if found != output:
        raise ConfigError(
            f"{name}: expected a {output}, which {objective.metric} scores, found that {node} gives a {found}"
        )
