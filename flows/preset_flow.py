"""What makes of a preset's file its flow, its form, its parameters, its template and its flags.

The flow of every preset is here by its name: ``flows/preset_flow.py:cascade`` is the entry point of its
deployments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from flows.presets.files import FOLDER, list_presets, load

if TYPE_CHECKING:
    from components.pipeline.pipeline import Pipeline
    from flows.checks import Check
    from flows.parameters.base import FlowParameters
    from flows.presets.preset import Preset


class PresetFlow:
    """A preset as the registry has a flow; nothing is imported or read before it is used.

    Attributes:
        name: that of its file.
    """

    adds = ()
    """It adds nothing to a finished run; it makes one."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def summary(self) -> str:
        """What it does: the first line of its file, which is not read as YAML for that."""
        with (FOLDER / f"{self.name}.yaml").open(encoding="utf-8") as file:
            return file.readline().removeprefix("summary: ").strip().strip('"')

    @property
    def preset(self) -> Preset:
        """Its file."""
        from flows.presets.preset import read_preset

        return read_preset(self.name)

    @cached_property
    def parameters(self) -> type[FlowParameters]:
        """The model of its parameters."""
        from flows.presets.preset_parameters import build_parameters

        return build_parameters(self.name, self.preset)

    def pipeline(self, parameters: Any) -> Pipeline:
        """Return the graph with the values of its parameters.

        Raises:
            ConfigError: a line per fault.
        """
        from components.pipeline.reading.reader import read_pipeline
        from flows.presets.preset_parameters import fill_graph

        nodes = parameters.replace_nodes(fill_graph(self.preset, parameters))
        graph = read_pipeline({"nodes": nodes, **parameters.languages})
        if self.preset.until is not None:
            graph = graph.subgraph_of(self.preset.until)
        edited: Pipeline = parameters.with_edits(graph)
        return edited

    @property
    def hooks(self) -> Any:
        """What it adds to a run of its graph, as :class:`~flows.system.Hooks`; imports Prefect."""
        return load(self.preset.hooks)

    def checks(self, parameters: Any) -> Sequence[Check]:
        """Return the checks that come before anything is computed."""
        system = load("flows.system:System")
        checks: Sequence[Check] = system(
            self.name, parameters, self.pipeline(parameters), self.hooks
        ).preflight.checks
        return checks

    def require_intent(self, parameters: Any) -> None:
        """Refuse a long training on which nothing was set.

        Raises:
            ConfigError: what the flow would do, and how long it would take; or what it would refuse.
        """
        describe = self.preset.long_run
        description = None if describe is None else load(describe)(parameters)
        if description is not None:
            load("flows.checks:run_checks")(self.checks(parameters))  # what --yes would not mend
            raise ConfigError(
                f"{self.name}: nothing of its training is set, so it would {description} on one CPU core; "
                f"set what you want (antiphon run {self.name} --parameters), or add --yes"
            )

    @cached_property
    def call(self) -> Callable[..., Any]:
        """The Prefect flow; imports Prefect."""
        define_flow, run_system = load("flows.definition:define_flow"), load("flows.system:run_system")

        own = self.preset.run

        def run(parameters: Any) -> Any:
            if own is not None:
                return load(own)(parameters)
            return run_system(self.name, parameters, self.pipeline(parameters), self.hooks)

        run.__name__ = run.__qualname__ = self.name
        run.__doc__ = f"{self.summary[0].upper()}{self.summary[1:]}."
        flow: Callable[..., Any] = define_flow(self.parameters)(run)
        return flow


@cache
def preset_flow(name: str) -> PresetFlow:
    """Return the flow of a preset, the same one each time."""
    return PresetFlow(name)


def __getattr__(name: str) -> Any:
    """Return the Prefect flow of a preset, made when it is asked for."""
    if name not in list_presets():
        raise AttributeError(name)
    return preset_flow(name).call
