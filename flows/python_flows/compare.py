"""Compare several systems on one data set: which is better, by how much, at what cost.

Systems are run here (they share stages through the store) or are finished runs.
`antiphon run compare` runs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from prefect.client.schemas.objects import State
from pydantic import ValidationError

from components.analysis.run_outputs import data_of
from components.comparison.analysis import COMPARISON, ComparisonRequest
from components.comparison.external.external_scores import check_systems
from components.comparison.stated_comparisons import check_stated
from components.errors import AntiphonError, ConfigError, DataError
from components.metrics.scores_file import load_scores
from components.metrics.table import METRICS, sort_metrics
from components.monitoring.sequential.analysis import SEQUENTIAL, SequentialRequest
from components.run_record import RunRecord
from components.storage.store import Store
from components.text.suggestions import did_you_mean
from flows.checks import Check, checks_of_metrics, run_checks
from flows.definition import define_flow
from flows.parameters.base import DataParameters, FlowParameters, check_no_secret
from flows.parameters.compare import CompareParameters, SystemConfig
from flows.parameters.faults import describe_faults
from flows.python_flows.parallel_systems import run_systems
from flows.registry import flow_named
from flows.run import Run, final_state
from flows.system import System
from tasks.stages import report
from tasks.stages.analysis import run_analysis
from tasks.stages.sentence_scores import bind_staged

FIRST_LOOK = 200
"""Utterances after which a sequential test of systems that run is looked at first."""


def system_names(parameters: CompareParameters) -> list[str]:
    """Return the names of the systems and finished runs to compare, in order.

    Raises:
        ConfigError: fewer than two, two of one name, or a baseline that is not among them.
    """
    names = [system.name for system in parameters.systems] + list(parameters.runs)
    if len(names) < 2 or len(set(names)) != len(names):
        given = " and ".join(names) or "none"
        raise ConfigError(f"expected two or more different names in systems and runs, found {given}")
    if (parameters.baseline or names[0]) not in names:
        hint = did_you_mean(str(parameters.baseline), names)
        raise ConfigError(
            f"baseline: expected one of {', '.join(names)}, found {parameters.baseline!r}{hint}"
        )
    try:
        check_stated(parameters.primary, names, parameters.baseline or names[0])
    except DataError as error:
        raise ConfigError(str(error)) from None
    return names


@define_flow(CompareParameters)
def compare(parameters: CompareParameters) -> RunRecord | State[RunRecord]:
    """Run the systems that have no run yet, compare all of them, and report."""
    return run_comparison(parameters)


def run_comparison(parameters: CompareParameters) -> RunRecord | State[RunRecord]:
    """Run and compare the systems; to be called inside a flow."""
    run_checks(checks(parameters))
    names = system_names(parameters)
    run = Run("compare", parameters)
    with run:
        for limit in _list_looks(parameters):
            records = _run_once(parameters.model_copy(update={"limit": limit}), names, run)
            if _is_decided(run) or limit is None or data_of(next(iter(records.values()))).items < limit:
                break
        run.add(run_analysis("comparison", _request(records, parameters), run.store))
        record_comparison(run, records)
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def _list_looks(parameters: CompareParameters) -> Iterator[int | None]:
    """Yield how many utterances systems run over: all; of a sequential test twice as many each time."""
    limit = FIRST_LOOK
    while parameters.is_sequential and not parameters.runs and limit < (parameters.limit or math.inf):
        yield limit
        limit *= 2
    yield parameters.limit


def _run_once(parameters: CompareParameters, names: Sequence[str], run: Run) -> dict[str, RunRecord]:
    """Run the systems and return all records that are compared, tested at this look if that is asked for."""
    systems = {system.name: _make_system(system, parameters, run.name) for system in parameters.systems}
    earlier_runs = {name: run.store.load_run(name) for name in parameters.runs}
    records = run_systems(systems, run) | earlier_runs
    if len(records) < 2 or (parameters.baseline or names[0]) not in records:
        raise ConfigError("expected the baseline and another system to finish; see the notes of the run")
    if parameters.is_sequential:
        run.add(run_analysis("sequential", _sequential_request(records, parameters), run.store))
    return records


def _is_decided(run: Run) -> bool:
    """Return whether every test that was made at the last look has a verdict."""
    ref = run.stages.get("sequential")
    return ref is not None and all(test.decided is not None for test in SEQUENTIAL.read(ref).tests)


def _request(records: Mapping[str, RunRecord], parameters: CompareParameters) -> ComparisonRequest:
    return ComparisonRequest(records, parameters.settings(), bind_staged, parameters.scores)


def _sequential_request(records: Mapping[str, RunRecord], parameters: CompareParameters) -> SequentialRequest:
    return SequentialRequest(_request(records, parameters), parameters.margin)


def record_comparison(run: Run, systems: Mapping[str, RunRecord]) -> None:
    """Copy the scores of a comparison and the runs of its systems into its own record."""
    comparison = COMPARISON.read(run.stages["comparison"])
    for row in comparison.rows:
        run.metrics |= {f"{row.system}.{name}": score for name, score in row.scores.items()}
    run.systems = {name: record.name for name, record in systems.items()}
    run.notes += list(comparison.notes)
    run.seen_data += [f"{name}: {line}" for name, record in systems.items() for line in record.seen_data]


def compare_finished(parameters: CompareParameters) -> RunRecord:
    """Compare finished runs without Prefect: nothing is run, so there is nothing to orchestrate.

    Raises:
        AntiphonError: no such run, or runs of different data.
    """
    system_names(parameters)  # all of this before a record of a run is left
    _check_scores(parameters)
    store = Store(parameters.store)
    records = {name: store.load_run(name) for name in parameters.runs}
    request = _request(records, parameters)
    _ = request.utterances  # refuses runs that cannot be compared
    run = Run("compare", parameters)
    with run:
        run.add(COMPARISON.run(request, run.store))
        if parameters.is_sequential:
            run.add(SEQUENTIAL.run(_sequential_request(records, parameters), run.store))
        record_comparison(run, records)
        report.render(run.record, run.store)
    return run.record


def _raise(error: ConfigError) -> None:
    raise error


def checks(parameters: CompareParameters) -> list[Check]:
    """Return the checks of all systems, and that the finished runs exist."""
    store = Store(parameters.store)
    run_checks_ = [Check("runs", partial(store.load_run, name)) for name in parameters.runs]
    name_check = Check("systems", lambda: system_names(parameters))
    score_check = Check("scores", lambda: _check_scores(parameters))
    return [
        name_check,
        *checks_of_metrics([m for m in parameters.metrics if ":" in m], parameters.store, "metrics"),
        score_check,
        *(check for system in parameters.systems for check in _checks_of(system, parameters)),
        *run_checks_,
    ]


def _check_scores(parameters: CompareParameters) -> None:
    """Refuse external scores that cannot be read or are of other systems, and scores that there are none of.

    Raises:
        ConfigError: a line per kind of fault.
    """
    names = system_names(parameters)
    run_names = [f"{parameters.name}.{system.name}" for system in parameters.systems]
    scores = load_scores(parameters.scores)
    for entry in scores:
        check_systems(entry, [*names, *run_names])
    known = [*sort_metrics(METRICS), *(entry.name for entry in scores)]
    for where, name in (
        ("ranking (--metric)", parameters.ranking),
        *(("primary", stated.metric) for stated in parameters.primary),
    ):
        if name is not None and name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"{where}: expected one of {', '.join(known)}, found {name!r}{hint}")


def _checks_of(system: SystemConfig, parameters: CompareParameters) -> list[Check]:
    """Return the checks of one system's nodes, under its name."""
    try:
        system_checks = _make_system(system, parameters).preflight.checks
    except AntiphonError as error:
        faults_of = [ConfigError(f"{system.name}: {line}") for line in str(error).splitlines()]
        return [Check("systems", partial(_raise, fault)) for fault in faults_of]
    return [replace(check, stage=f"{system.name}: {check.stage}") for check in system_checks]


def _make_system(system: SystemConfig, parameters: CompareParameters, run: str | None = None) -> System:
    """Return a system as its own flow would run it, in the run ``run.NAME``.

    Raises:
        ConfigError: the parameters are not those of its flow.
    """
    entry = flow_named(system.flow)
    own_parameters = _check_parameters(system, parameters, entry.parameters)
    if run is not None:
        overrides = {"name": f"{run}.{system.name}"[:100], "replace": True}
        own_parameters = own_parameters.model_copy(update=overrides)
    return System(system.flow, own_parameters, entry.pipeline(own_parameters), entry.hooks)


def _check_parameters(
    system: SystemConfig, parameters: CompareParameters, model: type[FlowParameters]
) -> DataParameters:
    """Return the parameters of a system's flow: those that all systems share, then its own."""
    shared = {name: getattr(parameters, name) for name in _SHARED}
    values = {name: value for name, value in shared.items() if value is not None} | system.parameters
    values["store"] = parameters.store
    check_no_secret(list(system.parameters))
    if parameters.blame and "blame" in model.model_fields:
        values["blame"] = True
    try:
        validated = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(describe_faults(model, error))) from None
    assert isinstance(validated, DataParameters)
    return validated


_SHARED = (
    "data",
    "audio",
    "limit",
    "source_language",
    "target_language",
    "seed",
    "normalizer",
    "price_per_hour",
    "model_metrics",
)
