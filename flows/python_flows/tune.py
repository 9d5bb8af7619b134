"""Search over the settings of a pipeline, the winner confirmed once on data that the search never saw.

`antiphon tune FILE`. Every try is a pipeline whose unchanged stages are reused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from prefect.client.schemas.objects import State

from components.comparison.analysis import ComparisonRequest
from components.comparison.comparison_settings import ComparisonSettings
from components.errors import DataError
from components.files.files import write_bytes
from components.files.yaml_text import format_yaml
from components.metrics.metric_names import split_metric
from components.nodes.facts import Mode
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord, StageRef
from components.storage.runs.run_listing import list_runs
from components.storage.stages.stage_plan import content_of
from components.tuning.analyses import CONFIRMATION, STUDY, ConfirmationRequest, SearchSettings, result_files
from components.tuning.study import AS_WRITTEN, Study, Try
from flows.checks import (
    Check,
    check_of_data,
    checks_of_metrics,
    checks_of_pipeline,
    checks_of_reviews,
    run_checks,
)
from flows.definition import define_flow
from flows.parameters.pipeline import PipelineParameters
from flows.parameters.pipeline import pipeline as graph_of
from flows.parameters.searches.tune import (
    CheckedSearch,
    TuneParameters,
    changed_nodes,
    check_search,
    parameters_with,
    pipeline_with,
)
from flows.python_flows.compare import record_comparison
from flows.python_flows.finished_runs.repetition import list_changed_settings
from flows.python_flows.parallel_systems import run_systems
from flows.python_flows.tuning_data import CONFIRM, TuningData, load_tuning_data, make_context
from flows.run import Run, final_state
from flows.system import Hooks, System
from tasks.progress import show_phase
from tasks.stages import report
from tasks.stages.analysis import run_analysis
from tasks.stages.searches.computed_try import TryContext
from tasks.stages.searches.study import run_study
from tasks.stages.searches.tries import compute_again
from tasks.stages.sentence_scores import bind_staged

WINNER, WRITTEN = "winner", "as-written"
WINNER_FILE = "winner.yaml"


@define_flow(TuneParameters)
def tune(parameters: TuneParameters) -> RunRecord | State[RunRecord]:
    """Try settings of a pipeline, keep every try, and confirm the best on data that the search never saw."""
    checked = check_search(parameters)
    all_checks = _checks(parameters, checked)
    run_checks(all_checks)
    run = Run("tune", parameters)
    with run:
        loaded = load_tuning_data(run, parameters, checked, all_checks)
        context = _make_context(run, parameters, checked, loaded)
        settings = SearchSettings(
            space=checked.space,
            written=parameters.search_values,
            sampler=checked.sampler,
            seed=parameters.seed,
            tries=parameters.tries,
            parallel=parameters.parallel,
            tolerance=parameters.tolerance,
            reduction_factor=parameters.reduction_factor,
            price_per_hour=parameters.price_per_hour,
            normalizer=parameters.normalizer,
        )
        pipelines = {WRITTEN: checked.pipeline} | {f"{p.key}={p.value}": p.pipeline for p in checked.probes}
        study_ref = run.add(run_study(context, settings, pipelines))
        study = STUDY.read(study_ref)
        winner = _write_results(run, parameters, checked, study, study_ref)
        _confirm(run, winner, parameters, loaded.confirm)
        confirm_context = replace(context, blocks=[loaded.confirm])
        compared = [study.winner, study.named(AS_WRITTEN)]
        first = checked.objectives[0]
        show_phase("comparing the winner with its forecast")
        searched, confirmed = (
            tuple(each.statistics(first) for each in compute_again(of, compared))
            for of in (context, confirm_context)
        )
        earlier = _earlier_confirmations(run, loaded.confirm)
        request = ConfirmationRequest(study_ref, searched, confirmed, loaded.confirm, earlier)  # type: ignore[arg-type]
        run.add(CONFIRMATION.run(request, run.store))
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def checks(parameters: TuneParameters) -> list[Check]:
    """Return the checks of the pipeline as written, of every value of its variables, and of the data."""
    return _checks(parameters, check_search(parameters))


def _checks(parameters: TuneParameters, checked: CheckedSearch) -> list[Check]:
    of_nodes = checks_of_pipeline(checked.pipeline, parameters.store, parameters.seed)
    of_values = []
    for probe in checked.probes:
        changed = {probe.pipeline.user_name_of(name) for name in changed_nodes(probe, checked.pipeline)}
        for check in checks_of_pipeline(probe.pipeline, parameters.store, parameters.seed):
            if check.stage in changed:
                of_values.append(replace(check, stage=f"search.{probe.key}={probe.value}: {check.stage}"))
    models = [objective.metric for objective in checked.objectives if ":" in objective.metric]
    of_metrics = checks_of_metrics([*models, *parameters.model_metrics], parameters.store, "objectives")
    reviews = checks_of_reviews(checked.pipeline)
    return [check_of_data(parameters.data_set), *of_nodes, *reviews, *of_values, *of_metrics]


def _make_context(
    run: Run, parameters: TuneParameters, checked: CheckedSearch, loaded: TuningData
) -> TryContext:
    """Return what all tries share, with a note on nodes that see the data of a rung at a time."""
    read = partial(pipeline_with, parameters, checked.space)
    context = make_context(run, parameters, checked.objectives, (loaded.search, parameters.rungs), read)
    if len(context.blocks) > 1:
        whole = [
            n.name
            for n in checked.pipeline
            if n.kind.mode in (Mode.AGGREGATE, Mode.BY_HAND) and checked.pipeline.data_of(n.name) == DATA
        ]
        whole += [n.name for n in checked.pipeline if n.kind.mode is Mode.ROUND and n.name not in whole]
        if whole:
            run.notes.append(
                f"{', '.join(whole)} look at all utterances together, but see those of one rung at a time"
            )
    return replace(context, others=loaded.confirm.items / max(1, loaded.search.items))


def _write_results(
    run: Run, parameters: TuneParameters, checked: CheckedSearch, study: Study, ref: StageRef
) -> dict[str, PipelineParameters]:
    """Write the files of a study into the run's folder; returns the systems to confirm, by name."""
    tries: dict[str, Try] = {WRITTEN: study.named(AS_WRITTEN)}
    if study.winner.number != AS_WRITTEN:
        tries[WINNER] = study.winner
    systems = {
        name: parameters_with(parameters, checked.space, each.settings) for name, each in tries.items()
    }
    winner = systems.get(WINNER, systems[WRITTEN])
    record = run.record.model_copy(update={"flow": "pipeline", "parameters": winner.model_dump(mode="json")})
    changed = list_changed_settings(record)
    graph = changed.pop("graph")
    written = {**graph, **{name: value for name, value in changed.items() if value is not None}}
    files = {**result_files(ref), WINNER_FILE: format_yaml(written).encode()}
    for name, content in files.items():
        write_bytes(run.path / name, content)
    return systems


def _confirm(
    run: Run, systems: Mapping[str, PipelineParameters], parameters: TuneParameters, confirm: StageRef
) -> None:
    """Run the winner and the pipeline as written on the data that the search never saw, and compare them."""
    members = {}
    for name, own in systems.items():
        source = {"data": parameters.confirm, "limit": None} if parameters.confirm_share is None else {}
        values = {**source, "name": f"{run.name}.{name}"[:100], "replace": True}
        overridden = own.model_copy(update=values)
        hooks = Hooks(data=lambda _: confirm.model_copy(update={"stage": DATA}))
        members[name] = System("pipeline", overridden, graph_of(overridden), hooks)
    records = run_systems(members, run)
    if len(records) < len(members):
        failures = [note for note in run.notes if note.startswith("system ")]
        raise DataError(
            f"expected the winner to finish on the data to confirm on, found: {'; '.join(failures)}"
        )
    if len(records) == 1:
        (name,) = records
        run.systems = {name: records[name].name}
        run.metrics |= {f"{name}.{metric}": score for metric, score in records[name].metrics.items()}
        return
    first = parameters.objectives[0]
    metric = first.rpartition(".")[2] if ":" not in first else first
    settings = ComparisonSettings(normalizer=parameters.normalizer)
    usual = [m for m in settings.metrics if m != split_metric(metric)[0]]
    ranked_first = settings.model_copy(
        update={"baseline": WRITTEN, "ranking": split_metric(metric)[0], "metrics": (metric, *usual)}
    )
    run.add(run_analysis("comparison", ComparisonRequest(records, ranked_first, bind_staged), run.store))
    record_comparison(run, records)


def _earlier_confirmations(run: Run, confirm: StageRef) -> list[str]:
    """Return the finished runs of searches whose winner was confirmed on the same data."""
    names = []
    for entry in list_runs(run.store):
        record = entry.record
        if record is None or record.flow != "tune" or record.name == run.name:
            continue
        refs = {ref.stage: ref for ref in record.stages}
        if CONFIRM in refs and content_of(refs[CONFIRM]) == content_of(confirm):
            names.append(record.name)
    return sorted(names)
