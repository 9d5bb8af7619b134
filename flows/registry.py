"""The flows that can be run, as entry points: nothing of a flow is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from components.errors import ConfigError
from components.text.suggestions import did_you_mean
from flows.preset_flow import PresetFlow, preset_flow
from flows.presets.files import list_presets, load

if TYPE_CHECKING:
    from components.pipeline.pipeline import Pipeline
    from components.run_record import RunRecord
    from flows.checks import Check
    from flows.parameters.base import FlowParameters


class PythonFlow(NamedTuple):
    """A flow in Python as entry points, each "module:name".

    ``adds``: the kinds of the stages that it adds to a copy of a finished run; the command line prints those
    alone.
    """

    summary: str
    flow: str
    parameters_model: str
    checks_of: str | None = None
    pipeline_of: str | None = None
    hooks_of: str | None = None
    adds: tuple[str, ...] = ()

    @property
    def call(self) -> Callable[..., Any]:
        """The flow itself; imports Prefect."""
        flow: Callable[..., Any] = load(self.flow)
        return flow

    @property
    def parameters(self) -> type[FlowParameters]:
        """The model of its parameters."""
        model: type[FlowParameters] = load(self.parameters_model)
        return model

    def pipeline(self, parameters: Any) -> Pipeline:
        """Return the graph of a flow over a data set. Raises ConfigError."""
        if self.pipeline_of is None:
            raise ConfigError(f"{self.flow.partition(':')[2]}: expected a flow over a data set, found none")
        graph: Pipeline = load(self.pipeline_of)(parameters)
        return graph

    @property
    def hooks(self) -> Any:
        """What the flow adds to a run of its pipeline, as :class:`~flows.system.Hooks`; imports Prefect."""
        return load(self.hooks_of or "flows.system:NO_HOOKS")

    def require_intent(self, parameters: Any) -> None:
        """Refuse nothing: it trains nothing by mere defaults."""

    def checks(self, parameters: Any) -> Sequence[Check]:
        """Return the checks that come before anything is computed."""
        checks: Sequence[Check] = ()
        if self.checks_of is not None:
            checks = load(self.checks_of)(parameters)
        elif self.pipeline_of is not None:
            system = load("flows.system:System")
            checks = system("", parameters, self.pipeline(parameters), self.hooks).preflight.checks
        return checks


FlowEntry = PythonFlow | PresetFlow
FLOWS: dict[str, FlowEntry] = {
    **{name: preset_flow(name) for name in list_presets()},
    "pipeline": PythonFlow(
        "any graph of models, from a file: antiphon run FILE.yaml",
        "flows.python_flows.pipeline:pipeline",
        "flows.parameters.pipeline:PipelineParameters",
        "flows.python_flows.pipeline:checks",
        "flows.parameters.pipeline:pipeline",
    ),
    "compare": PythonFlow(
        "several systems on one data set: who is better, by how much, at what cost",
        "flows.python_flows.compare:compare",
        "flows.parameters.compare:CompareParameters",
        "flows.python_flows.compare:checks",
    ),
    "tune": PythonFlow(
        "search over any settings of a pipeline, the winner confirmed on data that it never saw",
        "flows.python_flows.tune:tune",
        "flows.parameters.searches.tune:TuneParameters",
        "flows.python_flows.tune:checks",
        "flows.parameters.searches.tune:pipeline",
    ),
    "design": PythonFlow(
        "search over graphs: the systems worth having for data and limits, claimed on data it never saw",
        "flows.python_flows.design:design",
        "flows.parameters.searches.design:DesignParameters",
        "flows.python_flows.design:checks",
    ),
    "blame": PythonFlow(
        "which stage of a finished run loses what, by correcting transcripts and drafts",
        "flows.python_flows.blame:blame",
        "flows.parameters.analyses:BlameParameters",
        "flows.python_flows.finished_runs.error_attribution:checks",
        hooks_of="flows.python_flows.finished_runs.error_attribution:HOOKS",
        adds=("blame",),
    ),
    "simultaneous": PythonFlow(
        "a finished run replayed while the speaker speaks: latency and quality under policies",
        "flows.python_flows.simultaneous:simultaneous",
        "flows.parameters.simultaneous:SimultaneousParameters",
        "flows.python_flows.simultaneous:checks",
        adds=("simultaneous",),
    ),
    "contribution": PythonFlow(
        "what each member, input, source, round or expert of a finished run's system adds",
        "flows.python_flows.contribution:contribution",
        "flows.parameters.analyses:ContributionParameters",
        "flows.python_flows.contribution:checks",
        adds=("contribution",),
    ),
    "watch": PythonFlow(
        "is a run over new data without references as the accepted one? alarms, stage by stage",
        "flows.python_flows.watch:watch",
        "flows.parameters.watch:WatchParameters",
        "flows.python_flows.watch:checks",
        adds=("watch",),
    ),
    "probe": PythonFlow(
        "does a recognizer write what is not in the sound? words are taken from recordings",
        "flows.python_flows.probe:probe",
        "flows.parameters.probe:ProbeParameters",
        "flows.python_flows.probe:checks",
    ),
    "rollback": PythonFlow(
        "give a deployment the graph of the accepted run again",
        "flows.python_flows.rollback:rollback",
        "flows.parameters.watch:RollBackParameters",
    ),
    "improve": PythonFlow(
        "remedies for the errors of a finished run, tried on a part of its data; the best is run",
        "flows.python_flows.improve:improve",
        "flows.parameters.analyses:ImproveParameters",
        "flows.python_flows.finished_runs.error_attribution:checks",
        adds=("study", "confirmation"),
    ),
}


def flow_named(name: str) -> FlowEntry:
    """Return the flow called ``name``; imports nothing.

    Raises:
        ConfigError: there is no such flow; which was probably meant.
    """
    if name not in FLOWS:
        hint = did_you_mean(name, FLOWS)
        raise ConfigError(f"expected a flow, one of {', '.join(FLOWS)}, found {name!r}{hint}")
    return FLOWS[name]


def pipeline_of(run: RunRecord) -> Pipeline:
    """Return the pipeline of a run, from its flow and the parameters that it had.

    Raises:
        ConfigError: its flow has none, or the parameters are no longer those of the flow.
    """
    from components.pipeline.steps.auto import is_auto  # the help lists flows without it

    entry = flow_named(run.flow)
    pipeline = entry.pipeline(entry.parameters.model_validate(run.parameters))
    if any(is_auto(node.values) for node in pipeline):
        recalled: Pipeline = load("components.pipeline.advice.auto_models:recall_models")(pipeline, run)
        return recalled
    return pipeline
