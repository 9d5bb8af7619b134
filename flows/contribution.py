"""What each part of a finished run's system contributes: members, inputs, sources, rounds, experts.

The system is run again with fewer of its parts; everything that is shared is reused. `antiphon contribution
RUN`, or `python -m flows.contribution` with the options of `antiphon run`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.pipeline.pipeline import DATA
from components.records import RunRecord
from flows.contribution_parameters import ContributionParameters
from flows.parameters import flat
from flows.registry import pipeline_of
from flows.running import ending, name_flow_run, reopened
from tasks import contributing, report
from tasks.runners import runner


@flow(name="contribution", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(ContributionParameters)
def contribution(parameters: ContributionParameters) -> RunRecord | State[RunRecord]:
    """Say what each part of a finished run adds: a copy of the run with the stage ``contribution``."""
    record, run = reopened(parameters.run, "contribution", parameters)
    with run:
        pipeline, stages = pipeline_of(record), dict(run.stages)
        if DATA in stages:
            seed = run.parameters.seed
            ref = contributing.run(pipeline, stages, seed, run.store_url, parameters.metric)
        else:
            ref = contributing.run_experts(pipeline, stages, parameters.limit, run.store_url)
        run.add(ref)
        report.report(run.record, run.store_url)
    return ending(run.record)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("contribution")
