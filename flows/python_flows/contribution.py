"""What each part of a finished run's system contributes: members, inputs, sources, rounds, experts.

The system is run again with fewer of its parts; everything that is shared is reused. `antiphon contribution
RUN`.
"""

from __future__ import annotations

from functools import partial

from prefect.client.schemas.objects import State

from components.attribution.contributions import Scoring
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from components.storage.store import Store
from flows.checks import Check
from flows.definition import define_flow
from flows.parameters.analyses import ContributionParameters
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.registry import pipeline_of
from flows.run import final_state
from tasks.stages import contribution as contribution_stage
from tasks.stages import report


def checks(parameters: ContributionParameters) -> list[Check]:
    """Return the check that the run is there, and has parts that can be taken away."""
    return [Check("run", partial(_require_parts, parameters))]


def _require_parts(parameters: ContributionParameters) -> None:
    store = Store(parameters.store)
    record = store.read_run(parameters.run)
    if record.pipeline.nodes:
        stages = {ref.stage: store.localize(ref) if ref.stage == DATA else ref for ref in record.stages}
        contribution_stage.find_parts(pipeline_of(record), stages)


@define_flow(ContributionParameters)
def contribution(parameters: ContributionParameters) -> RunRecord | State[RunRecord]:
    """Measure what each part of a finished run adds; adds the stage ``contribution`` to a copy of it."""
    record, run = reopen_run(parameters.run, "contribution", parameters)
    with run:
        pipeline, stages = pipeline_of(record), dict(run.stages)
        scoring = Scoring(parameters.metric, run.normalizer)
        ref = contribution_stage.compute_contributions(
            pipeline, stages, run.parameters.seed, run.store, scoring, parameters.limit
        )
        run.add(ref)
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)
