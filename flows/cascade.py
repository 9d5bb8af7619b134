"""The cascade: speech -> transcript -> translation; text-only data skip the recognition.

`antiphon run cascade` runs it.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.attribution.blame import check_references
from components.pipeline.pipeline import DATA, Pipeline
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.error_attribution import add_blame
from flows.parameters.cascade import CascadeParameters, pipeline
from flows.run import Run
from flows.system import Hooks, run_system


def _before(run: Run, pipeline: Pipeline) -> None:
    if getattr(run.parameters, "blame", False):
        check_references(run.stages[DATA])


def _after(run: Run, pipeline: Pipeline) -> None:
    if getattr(run.parameters, "blame", False) and "asr" in run.stages:
        add_blame(run, pipeline)


HOOKS = Hooks(before=_before, after=_after)


@define_flow(CascadeParameters)
def cascade(parameters: CascadeParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, score both stages and report."""
    return run_system("cascade", parameters, pipeline(parameters), HOOKS)
