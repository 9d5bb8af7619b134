"""Error attribution by oracle substitution: reruns what lies below nodes whose gold is known on that gold.

`antiphon blame RUN`, or `python -m flows.blame` with the options of `antiphon run`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.records import RunRecord
from flows.blame_parameters import BlameParameters
from flows.parameters import flat
from flows.registry import pipeline_of
from flows.running import ending, name_flow_run, reopened
from tasks import blaming, report
from tasks.runners import runner


@flow(name="blame", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(BlameParameters)
def blame(parameters: BlameParameters) -> RunRecord | State[RunRecord]:
    """Say which stage of a finished run loses what: a copy of the run with the stage ``blame``."""
    record, run = reopened(parameters.run, "blame", parameters)
    with run:
        pipeline = pipeline_of(record)
        if DATA not in run.stages:
            raise ConfigError(f"run {record.name}: expected a run over a data set, found none")
        run.add(blaming.run(pipeline, run.stages, run.parameters.seed, run.store_url, parameters.segments))
        report.report(run.record, run.store_url)
    return ending(run.record)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("blame")
