"""Merging: recipe -> doctor -> merge -> decode development data -> gate -> a model that the store names.

An accepted model is `store:KEY` for every flow. `python -m flows.merge` takes the options of
`antiphon run merge`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.errors import DataError
from components.pipeline.pipeline import DATA, TARGET
from components.records import RunRecord, StageRef
from flows import preflight
from flows.merge_parameters import MergeParameters, baseline_of, pipeline
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from flows.system import execute_part, load_data
from tasks import gate, metrics
from tasks.artifacts import publish_summary
from tasks.metrics import Scored
from tasks.runners import runner


def needs(parameters: MergeParameters) -> list[Need]:
    """What its nodes and its development data need before anything is computed."""
    languages = parameters.source_language, parameters.target_language
    nodes = preflight.of_pipeline(pipeline(parameters), parameters.store, parameters.seed)
    return [*nodes, preflight.tested(parameters.dev, *languages)]


@flow(name="merge", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(MergeParameters)
def merge(parameters: MergeParameters) -> RunRecord | State[RunRecord]:
    """Merge models as a recipe says, and keep the result if it is not worse than the baseline."""
    wanted = needs(parameters)
    preflight.refuse(wanted)
    whole = pipeline(parameters)
    untested = pipeline(parameters.model_copy(update={"test": None}))
    run = Run("merge", parameters)
    with run:
        sets = load_data(run)
        execute_part(run, untested, wanted, sets)
        accepted = DATA not in sets or _gated(run, parameters, sets[DATA])
        if accepted and parameters.test is not None:
            execute_part(run, whole, wanted, sets)
        _score(run, parameters)
        publish_summary(run.name, run.stages.values(), run.metrics)
    record = run.record
    if not accepted:
        return Completed(name="Rejected", message="; ".join(record.notes), data=record)
    return ending(record)


def _gated(run: Run, parameters: MergeParameters, loaded: StageRef) -> bool:
    """Whether the merged model passes the gate."""
    merged = run.stages.get("asr") or run.stages.get("mt")
    if merged is None or "baseline" not in run.stages:
        raise DataError(f"{parameters.dev}: expected audio for a speech model, found none; give spoken data")
    metric = parameters.metric
    if metric == "auto":
        metric = "wer" if merged.stage == "asr" else "bleu"
    systems = (merged, run.stages["baseline"], baseline_of(parameters))
    verdict = gate.read_verdict(
        run.add(gate.gate(loaded, *systems, metric, parameters.margin, run.store_url))
    )
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
        Scored(prefix, run.stages[source], run.stages[name], None if name.startswith("asr") else TARGET)
        for name, (prefix, source) in outputs.items()
        if name in run.stages
    ]
    if scored:
        ref = run.add(metrics.score(scored, parameters.target_language, run.store_url, run.name))
        run.metrics = metrics.read_scores(ref)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("merge")
