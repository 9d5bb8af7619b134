"""The comparison: several systems on one data set -> who is better, by how much, at what cost.

Systems are run here (they share stages through the store) or are finished runs.
`python -m flows.compare` takes the options of `antiphon run compare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import ValidationError

from components.errors import AntiphonError, ConfigError
from components.records import RunRecord
from components.storage.store import Store
from flows import preflight
from flows.compare_parameters import CompareParameters, SystemConfig
from flows.faults import faults
from flows.parameters import DataParameters, check_no_secret, flat
from flows.preflight import Need
from flows.registry import flow_named
from flows.running import Run, ending, name_flow_run
from tasks.options import value_of
from tasks.runners import runner


def system_names(parameters: CompareParameters) -> list[str]:
    """Names of what is compared, the baseline among them.

    Raises:
        ConfigError: fewer than two, two of one name, or a baseline that is none of them.
    """
    names = [one.name for one in parameters.systems] + list(parameters.runs)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ConfigError(f"expected two or more different names in systems and runs, found {names}")
    if (parameters.baseline or names[0]) not in names:
        raise ConfigError(f"baseline: expected one of {', '.join(names)}, found {parameters.baseline!r}")
    return names


@flow(name="compare", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(CompareParameters)
def compare(parameters: CompareParameters) -> RunRecord | State[RunRecord]:
    """Run what is to be run, compare all, report."""
    from tasks import comparing, report

    preflight.refuse(needs(parameters))
    names = system_names(parameters)
    run = Run("compare", parameters)
    with run:
        calls = {one.name: _call(one, parameters, run) for one in parameters.systems}
        finished = {name: run.store.load_run(name) for name in parameters.runs}
        found = _run_all(calls, run) | finished
        if len(found) < 2 or (parameters.baseline or names[0]) not in found:
            raise ConfigError("expected the baseline and another system to finish; see the notes of the run")
        run.add(comparing.compare_runs(found, parameters.settings(), run.store_url))
        note(run, found)
        report.report(run.record, run.store_url)
    return ending(run.record)


def note(run: Run, systems: Mapping[str, RunRecord]) -> None:
    """Keep the scores of a comparison and where its systems came from in its record."""
    from reports.results import read_comparison

    comparison = read_comparison(run.stages["comparison"])
    for row in comparison.rows:
        run.metrics |= {f"{row.system}.{name}": score for name, score in row.scores.items()}
    run.systems = {name: one.name for name, one in systems.items()}
    run.notes += list(comparison.notes)


def compare_finished(parameters: CompareParameters) -> RunRecord:
    """Compare finished runs without Prefect: nothing is run, so there is nothing to orchestrate.

    Raises:
        AntiphonError: no such run, or runs of different data.
    """
    from tasks import comparing
    from tasks.report import render

    system_names(parameters)
    store = Store(parameters.store)
    found = {name: store.load_run(name) for name in parameters.runs}  # before a record of a run is left
    run = Run("compare", parameters)
    with run:
        run.add(comparing.compute(found, parameters.settings(), run.store))
        note(run, found)
        render(run.record, run.store)
    return run.record


def _checked(system: SystemConfig, parameters: CompareParameters) -> DataParameters:
    """The parameters of a system's flow, before any of them runs. ConfigError."""
    shared = {name: getattr(parameters, name) for name in _SHARED}
    values = {name: value for name, value in shared.items() if value is not None} | system.parameters
    values["store"] = parameters.store
    check_no_secret(list(system.parameters))
    model = flow_named(system.flow).parameters
    if parameters.blame and "blame" in model.model_fields:
        values["blame"] = True
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(faults(model, error))) from None
    assert isinstance(checked, DataParameters)
    return checked


def _needs_of(system: SystemConfig, parameters: CompareParameters) -> list[Need]:
    """What the stages of one system need, under its name."""
    entry = flow_named(system.flow)
    try:
        found = entry.needs(_checked(system, parameters))
    except ConfigError as error:
        return [Need("systems", partial(_refuse, ConfigError(f"{system.name}: {error}")))]
    return [replace(need, stage=f"{system.name}: {need.stage}") for need in found]


def _refuse(error: ConfigError) -> None:
    raise error


def needs(parameters: CompareParameters) -> list[Need]:
    """What the systems need before any of them runs, and that the finished runs are there."""
    store = Store(parameters.store)
    finished = [Need("runs", partial(store.load_run, name)) for name in parameters.runs]
    named = Need("systems", lambda: system_names(parameters))
    return [named, *(need for one in parameters.systems for need in _needs_of(one, parameters)), *finished]


def _call(system: SystemConfig, parameters: CompareParameters, run: Run) -> tuple[str, dict[str, Any]]:
    """The flow of a system and what it is called with."""
    checked = _checked(system, parameters).model_copy(
        update={"store": run.store_url, "name": f"{run.name}.{system.name}"[:100], "replace": True}
    )
    return system.flow, {name: getattr(checked, name) for name in type(checked).model_fields}


_SHARED = ("data", "audio", "limit", "source_language", "target_language", "seed")


def _run_all(calls: Mapping[str, tuple[str, dict[str, Any]]], run: Run) -> dict[str, RunRecord]:
    """The records of the systems that finish; what stops one is noted, and the others go on."""
    from reports.run_outputs import check

    found = {}
    for name, (flow_name, values) in calls.items():
        try:
            record = value_of(flow_named(flow_name).call(**values))
            check(record)
            found[name] = record
        except AntiphonError as error:
            run.notes.append(f"system {name} failed: {error}")
            run.failures += 1
    return found


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("compare")
