"""`antiphon plan`: the graph, and of each node whether its stage is reused, resumed or run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.text import Text

from flows.cli.help.model_flags import Values, gather_values, with_flags
from flows.cli.help.options import Assignments, Config, FlowOrFile, Until
from flows.parameters.base import DataParameters

if TYPE_CHECKING:
    from components.models.fetch_permission import NotHereError
    from components.pipeline.advice.forecast import RunForecast
    from components.pipeline.pipeline import Pipeline
    from components.run_record import StageRef
    from flows.registry import FlowEntry

PANEL = "Build"

AsMermaid = Annotated[bool, typer.Option("--mermaid", help="print the graph as Mermaid text")]
AsJson = Annotated[
    bool, typer.Option("--json", help="print nodes, keys and forecasts as JSON, a system in a line")
]


@with_flags(DataParameters, "data", "audio", "target_language", "limit", "model_metrics", "anyway", "store")
def plan(
    flow: FlowOrFile,
    values: Values,
    config: Config = None,
    assignments: Assignments = None,
    until: Until = None,
    mermaid: AsMermaid = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run would compute, reuse and take; run nothing.

    FILE.yaml holds a graph of models (docs/use/pipelines.md); each system of its `matrix` is shown. What a
    run would refuse (models, licences, languages, programs) is refused here. Examples:

    - `antiphon plan examples/routed_cascade.yaml --until asr`

    - `antiphon plan cascade --data manifest.jsonl --mermaid`
    """
    shortcuts = gather_values(values, until=until)
    for name, planned in plan_systems(flow, config, assignments or [], shortcuts).items():
        _print_plan(name, planned, mermaid=mermaid, as_json=as_json)


class PlannedSystem(NamedTuple):
    """A system of a run as it is planned.

    Attributes:
        graph: of its nodes.
        forecasts: of these; none where its data were not looked at yet.
        metrics: that models compute.
        notes: what is not known of its data.
        missing: models that would be fetched, by reference.
    """

    graph: Pipeline
    forecasts: list[RunForecast]
    metrics: tuple[str, ...]
    notes: list[str]
    missing: Mapping[str, NotHereError]


def plan_systems(
    flow: str, config: Path | None, assignments: Sequence[str], shortcuts: Mapping[str, object]
) -> dict[str, PlannedSystem]:
    """Return every system of a run by its name, "" for the only one."""
    from flows.cli.compute.parameters.run_parameters import resolve_parameters
    from flows.parameters.pipeline import PipelineParameters, systems_of

    entry, parameters = resolve_parameters(flow, config, assignments, shortcuts)
    systems = systems_of(parameters) if isinstance(parameters, PipelineParameters) else {"": parameters}
    return {name: _plan_system(entry, system) for name, system in systems.items()}


def _plan_system(entry: FlowEntry, parameters: Any) -> PlannedSystem:
    from components.data.changes import are_here
    from components.data.foreseen import foresee_data
    from components.models.fetch_permission import forbid_fetching
    from components.pipeline.advice.forecast import forecast_nodes
    from components.pipeline.pipeline import DATA, Node
    from components.pipeline.planning import plan_nodes
    from components.pipeline.reuse.equivalent_reuse import use_reuse
    from components.stage_settings import AUTO_MODEL
    from components.storage.places.location import find_in_store
    from components.storage.store import Store
    from flows.checks import check_of_data, checks_of_metrics
    from flows.preflight import Preflight

    graph = entry.pipeline(parameters)
    metrics = tuple(getattr(parameters, "model_metrics", ()))
    finished, data_set = parameters.finished_data, parameters.data_set
    further = checks_of_metrics(metrics, parameters.store, "model_metrics")
    if finished is None and data_set is not None:
        further = [check_of_data(data_set), *further]
    checks = Preflight(graph, parameters, further)
    checks.check()
    missing: dict[str, NotHereError] = {}
    digests = partial(_digests_of_what_is_here, missing)
    sets, unseen = {}, dict[str, int]()
    elsewhere = [] if finished is not None or data_set is None else [data_set[:2]]
    elsewhere += [(str(node.values.get("source")), None) for node in graph.data_nodes()]
    for source, audio in elsewhere:
        if not are_here(source, audio):
            note = f"data: {source} is not looked at yet: nothing is fetched, antiphon data check does"
            with forbid_fetching():
                for node in graph:
                    named = {role: model for role, model in node.models.items() if model != AUTO_MODEL}
                    digests(named, parameters.store)
            return PlannedSystem(graph, [], metrics, [note, *_describe_missing(missing)], missing)
    reuse = use_reuse(getattr(parameters, "reuse", "exact"))
    with TemporaryDirectory() as folder, reuse, forbid_fetching():
        foreseen = Store(folder)
        if finished is not None:
            sets[DATA] = finished
        elif data_set is not None:
            source, audio, *languages, limit = data_set
            sets[DATA], unseen[DATA] = foresee_data(source, audio, tuple(languages), limit, foreseen)

        def load(node: Node) -> StageRef:
            settings: Any = node.settings
            source = find_in_store(settings.source, parameters.store)
            found = foresee_data(source, None, graph.languages, settings.limit, foreseen)
            unseen[node.name] = found[1]
            return found[0]

        admitted = checks.admit(sets, load)
        graph = checks.pipeline
        plans = plan_nodes(graph, admitted, parameters.store, parameters.seed, digests)
        forecasts = forecast_nodes(graph, plans, admitted, Store(parameters.store))
    rows = {name: f"{count:,} of {admitted[name].items:,} rows" for name, count in unseen.items() if count}
    notes = [
        f"{name}: {count} are not looked at yet, so that what is stored of them is not known"
        for name, count in rows.items()
    ]
    notes += [*checks.notes, *_describe_missing(missing)]
    return PlannedSystem(graph, forecasts, metrics, notes, missing)


def _describe_missing(missing: Mapping[str, NotHereError]) -> list[str]:
    return [f"{error}, once" for error in missing.values()]


def _digests_of_what_is_here(
    missing: dict[str, NotHereError], named: Mapping[str, str], store: str | None
) -> dict[str, str]:
    """Return the digests of models by role; one that would be fetched is added to ``missing``.

    Its references stand for it then: what was computed by it elsewhere is not found.
    """
    from components.models.fetch_permission import NotHereError
    from components.models.weight_digests import resolve_weight_digests

    digests: dict[str, str] = {}
    for role, reference in named.items():
        try:
            digests |= resolve_weight_digests({role: reference}, store)
        except NotHereError as error:
            missing.setdefault(error.reference, error)
            digests[role] = f"to be fetched: {reference}"
    return digests


def _print_plan(name: str, planned: PlannedSystem, *, mermaid: bool, as_json: bool) -> None:
    graph, forecasts, metrics, unknown, _ = planned
    notes = _list_license_notes(graph, metrics)
    if as_json:
        nodes = {node_forecast.node: node_forecast.model_dump(mode="json") for node_forecast in forecasts}
        values = {"system": name, "pipeline": graph.to_record().model_dump(mode="json"), "forecast": nodes}
        values |= {"model_metrics": list(metrics), "licences": notes, "notes": unknown}
        typer.echo(json.dumps(values, ensure_ascii=True))
        return
    remarks = {node_forecast.node: _describe_forecast(node_forecast) for node_forecast in forecasts}
    if mermaid:
        from components.pipeline.advice.mermaid import to_mermaid as drawn

        typer.echo(drawn(graph, remarks), nl=False)
        return
    from flows.cli.help.console import console
    from reports.terminal.tables import new_table

    table = new_table("node", "kind", "reads", "models", "becomes")
    table.title, table.title_justify = name or None, "left"
    for node in graph:
        models = ", ".join(dict.fromkeys(node.models.values()))
        inputs = [*node.of, f"when {'.'.join(node.when)}"] if node.when else node.of
        kind = f"{node.kind.name} {node.facts.description}".rstrip()
        status = remarks.get(node.name, "" if forecasts else "not known")
        becomes = "; ".join(filter(None, (status, node.resources.describe())))
        table.add_row(*map(Text, (node.name, kind, ", ".join(inputs), models, becomes)))
    console().print(table)
    if graph.outputs:
        outputs = ", ".join(f"{role} {output}" for role, output in graph.outputs.items())
        console().print(Text(f"scored: {outputs}"))
    for line in (
        *unknown,
        *(f"metric: {metric}" for metric in metrics),
        *(f"licence: {note}" for note in notes),
    ):
        console().print(Text(line))


def _list_license_notes(graph: Pipeline, metrics: Sequence[str]) -> list[str]:
    """Return what the licences of models restrict, a line each."""
    from components.metrics.metric_names import split_metric
    from components.models.licenses import license_notes

    references = [reference for node in graph for reference in node.models.values()]
    return license_notes([*references, *(str(split_metric(metric)[1]) for metric in metrics)])


def _describe_forecast(forecast: RunForecast) -> str:
    """Return the forecast of a node in words."""
    if forecast.status == "reused":
        return "reused"
    from components.analysis.formatting import format_duration

    how_long = ""
    if forecast.seconds is not None:
        shortest, longest = map(format_duration, forecast.seconds)
        span = longest if shortest == longest else f"{shortest} to {longest}"
        how_long = f", {span} by what ran here"
    if forecast.status == "resumed":
        if forecast.shards_done == forecast.shards:
            return "resumed: all shards are computed"
        return f"resumed at shard {forecast.shards_done} of {forecast.shards}{how_long}"
    return f"run{how_long}"
