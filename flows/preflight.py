"""Checks before the first stage computes: all faults of all stages at once.

A :class:`Preflight` is opened once per run. ``check`` costs no fetching and comes before anything is read;
``admit`` may fetch the stages' models and comes once the data are known, before the first model computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from components.pipeline.graph_steps import GRAPH_STEPS
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.steps.auto import is_auto
from components.run_record import StageRef
from components.storage.stages.reader import profiles_of
from flows.checks import (
    Check,
    check_against_data,
    check_against_learning_data,
    check_without_data,
    checks_of_pipeline,
    language_pairs,
    run_checks,
)
from flows.parameters.base import FlowParameters


class Preflight:
    """The checks of one run over one graph.

    Args:
        pipeline: the graph.
        parameters: of the run.
        further: checks of what is no node of the graph.

    Attributes:
        pipeline: the graph, once the data are known with a model in every node of ``model: auto``.
        notes: which models these are.
    """

    def __init__(self, pipeline: Pipeline, parameters: FlowParameters, further: Sequence[Check] = ()) -> None:
        self.pipeline = pipeline
        self.notes: list[str] = []
        self._parameters, self._further = parameters, further
        self._store, self._seed = parameters.store, parameters.seed

    @property
    def checks(self) -> list[Check]:
        """The checks of the graph as it is now, and the further ones."""
        return [*self._further, *checks_of_pipeline(self.pipeline, self._store, self._seed)]

    def check(self) -> None:
        """Run the checks that read and fetch nothing.

        Raises:
            ConfigError: every fault of every stage, a line each.
        """
        run_checks(self.checks)

    def admit(self, sets: Mapping[str, StageRef], load: Callable[[Node], StageRef]) -> dict[str, StageRef]:
        """Choose models for the data, load the data sets of nodes, and run the checks that need them.

        Args:
            sets: the data sets that are loaded, by the names under which nodes read them.
            load: loads that of a node of kind ``data``.

        Returns:
            All data sets.

        Raises:
            ConfigError: every fault of every stage, a line each.
        """
        admitted = dict(sets)
        if DATA in admitted:
            self.pipeline, self.notes = choose_models(self.pipeline, admitted[DATA], self._parameters)
        checks = self.checks
        if DATA not in admitted:
            check_without_data(checks)
        for name, loaded in sets.items():
            check_against_data(checks, loaded, name)
        for node in self.pipeline.data_nodes():
            admitted[node.name] = load(node)
            check_against_data(checks, admitted[node.name], node.name)
        check_against_learning_data(self.pipeline, admitted, self._store)
        return admitted


def choose_models(
    pipeline: Pipeline, loaded: StageRef, parameters: FlowParameters
) -> tuple[Pipeline, list[str]]:
    """The pipeline with a model for the languages of the data in every node of ``model: auto``, and notes.

    Raises:
        ConfigError: this machine has none for them.
    """
    if not any(map(is_auto, pipeline.definitions.values())):
        return pipeline, []
    from components.pipeline.advice.auto_models import AutoChoice

    source = None if parameters.data_set is None else parameters.data_set[0]
    by = AutoChoice(language_pairs(profiles_of(loaded)), source, getattr(parameters, "anyway", False))
    chosen: tuple[Pipeline, list[str]] = GRAPH_STEPS["auto"](pipeline, by)
    return chosen
