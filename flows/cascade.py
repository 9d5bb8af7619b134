"""The cascade: speech -> transcript -> translation; text-only data skip the recognition.

`antiphon run cascade` runs it.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.pipeline.pipeline import DATA, Pipeline
from components.run_record import RunRecord
from flows.parameters.base import expand_parameters
from flows.parameters.cascade import CascadeParameters, pipeline
from flows.run import Run, name_flow_run
from flows.system import Hooks, run_system
from tasks.stages import attribution
from tasks.task_runners import make_runner


def _before(run: Run, pipeline: Pipeline) -> None:
    if getattr(run.parameters, "blame", False):
        attribution.check_references(run.stages[DATA])


def _after(run: Run, pipeline: Pipeline) -> None:
    if getattr(run.parameters, "blame", False) and "asr" in run.stages:
        run.add(attribution.attribute_errors(pipeline, run.stages, run.parameters.seed, run.store_url))


HOOKS = Hooks(before=_before, after=_after)


@flow(name="cascade", task_runner=make_runner(), persist_result=False, flow_run_name=name_flow_run)
@expand_parameters(CascadeParameters)
def cascade(parameters: CascadeParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, score both stages and report."""
    return run_system("cascade", parameters, pipeline(parameters), HOOKS)
