"""Merging: recipe -> checks -> merge -> decode development data -> acceptance test -> `store:KEY`.

An accepted model is `store:KEY` for every flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.analysis.texts_to_score import TextsToScore
from components.errors import DataError
from components.merging.quality_gate import GATE, GateRequest
from components.pipeline.pipeline import DATA, TARGET
from components.pipeline.seen_data import describe_seen
from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import read_utterances
from flows.checks import Check, check_of_test_data
from flows.preflight import Preflight
from flows.presets.parameters.gated_merge import MergeParameters
from flows.registry import flow_named
from flows.run import Run, final_state
from flows.system import Hooks, load_data, load_data_node, record_execution, record_progress
from tasks.execution.executor import execute
from tasks.run_artifacts import publish_run
from tasks.stages import metrics
from tasks.stages.analysis import run_analysis


def _checks_of(parameters: MergeParameters) -> Preflight:
    pipeline = flow_named("merge").pipeline(parameters)
    return Preflight(pipeline, parameters, _checks_of_data(parameters))


def _checks_of_data(parameters: MergeParameters) -> list[Check]:
    return [check_of_test_data(parameters.dev, parameters.source_language, parameters.target_language)]


HOOKS = Hooks(checks=_checks_of_data)


def run_merge(parameters: MergeParameters) -> RunRecord | State[RunRecord]:
    """Merge models as a recipe says, and accept the result if it is not worse than the baseline."""
    whole = _checks_of(parameters)
    whole.check()
    untested = _checks_of(parameters.model_copy(update={"test": None}))
    run = Run("merge", parameters)
    with run:
        sets = load_data(run)
        _execute(run, untested, sets)
        accepted = DATA not in sets or _passes_gate(run, parameters, sets[DATA])
        if accepted and parameters.test is not None:
            _execute(run, whole, sets)
            test = read_utterances(run.stages["test"])
            run.seen_data = describe_seen(untested.pipeline, run.stages, test)
        _score(run, parameters)
        publish_run(run.record)
    record = run.record
    if not accepted:
        return Completed(name="Rejected", message="; ".join(record.notes), data=record)
    return final_state(record)


def _passes_gate(run: Run, parameters: MergeParameters, loaded: StageRef) -> bool:
    """Return whether the merged model is not worse than the baseline on the development data."""
    merged = run.stages.get("asr") or run.stages.get("mt")
    if merged is None or "baseline" not in run.stages:
        raise DataError(f"{parameters.dev}: expected audio for a speech model, found none; give spoken data")
    metric = parameters.metric
    if metric == "auto":
        metric = "wer" if merged.stage == "asr" else "bleu"
    systems = (merged, run.stages["baseline"], parameters.baseline_model)
    request = GateRequest(loaded, *systems, metric, parameters.margin)
    verdict = GATE.read(run.add(run_analysis(GATE.kind, request, run.store)))
    run.notes.append(str(verdict))
    return verdict.accepted


def _score(run: Run, parameters: MergeParameters) -> None:
    """The merged model's scores on development data (``dev_*``) and on test data."""
    outputs = {
        "asr": ("dev_", "data"),
        "mt": ("dev_", "data"),
        "asr-test": ("", "test"),
        "mt-test": ("", "test"),
    }
    scored = [
        TextsToScore(prefix, run.stages[source], run.stages[name], None if name.startswith("asr") else TARGET)
        for name, (prefix, source) in outputs.items()
        if name in run.stages
    ]
    if scored:
        ref = run.add(metrics.score_texts(scored, parameters.target_language, run.store))
        run.metrics = metrics.read_scores(ref)


def _execute(run: Run, checks: Preflight, sets: Mapping[str, StageRef]) -> None:
    """Run a checked graph (finished nodes are reused) over data sets; raises the first error of a node."""
    pipeline = checks.pipeline
    sets = checks.admit(sets, partial(load_data_node, run, pipeline.languages))
    run.pipeline = pipeline.to_record()
    observe = partial(record_progress, run)
    executed = execute(pipeline, sets, run.store_url, run.parameters.seed, observe)
    record_execution(run, executed)
    executed.raise_first_error()
