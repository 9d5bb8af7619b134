"""Remedies for the errors of a finished run, tried on a part of its data; the best is run.

`antiphon improve RUN`.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.attribution.blame import BLAME, check_references
from components.improvement.situation import ImproveOptions
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.improve import ImproveParameters
from flows.python_flows.error_attribution import add_blame
from flows.registry import pipeline_of
from flows.run import final_state, reopen_run
from tasks.stages import improvement, report
from tasks.stages.remedy_search import FinishedRun, Limits


@define_flow(ImproveParameters)
def improve(parameters: ImproveParameters) -> RunRecord | State[RunRecord]:
    """List or try remedies for a finished run; adds the stage ``improvement`` to a copy of it."""
    record, run = reopen_run(parameters.run, "improve", parameters)
    with run:
        pipeline = pipeline_of(record)
        finished = FinishedRun(pipeline, dict(run.stages), run.parameters.seed, run.store)
        if BLAME.kind not in run.stages:
            check_references(run.stages[DATA])
            add_blame(run, pipeline)
        blames = {blame.metric: blame for blame in BLAME.read(run.stages[BLAME.kind]).blames}
        choices = ImproveOptions(
            recognizer=parameters.recognizer,
            share=parameters.share,
            refiner=parameters.refiner,
            gate_model=parameters.gate_model,
            terms=parameters.terms,
            soup=parameters.soup,
        )
        limits = Limits(parameters.budget, parameters.probe, parameters.metric)
        run.add(improvement.improve_run(finished, blames[parameters.metric], choices, limits))
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)
