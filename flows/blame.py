"""Error attribution by oracle substitution: reruns the downstream stages of a run on corrected texts.

`antiphon blame RUN`.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.blame import BlameParameters
from flows.registry import pipeline_of
from flows.run import final_state, reopen_run
from tasks.stages import attribution, report


@define_flow(BlameParameters)
def blame(parameters: BlameParameters) -> RunRecord | State[RunRecord]:
    """Attribute the loss of a finished run to its stages; adds the stage ``blame`` to a copy of it."""
    record, run = reopen_run(parameters.run, "blame", parameters)
    with run:
        pipeline = pipeline_of(record)
        if DATA not in run.stages:
            raise ConfigError(f"run {record.name}: expected a run over a data set, found none")
        run.add(
            attribution.attribute_errors(
                pipeline,
                run.stages,
                run.parameters.seed,
                run.store_url,
                parameters.segments,
                human_scores={str(name): score for name, score in parameters.human_scores.items()},
                normalizer=run.normalizer,
            )
        )
        report.publish_run_report(run.record, run.store_url)
    return final_state(run.record)
