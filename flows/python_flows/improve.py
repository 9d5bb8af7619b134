"""Remedies for the errors of a finished run: a search over them on a part of its data, the best confirmed.

`antiphon improve RUN`.
"""

from __future__ import annotations

from contextlib import nullcontext

from prefect.client.schemas.objects import State

from components.attribution.blame import BLAME, check_references
from components.attribution.substitution import chain_of
from components.files.files import write_bytes
from components.improvement.bounds import bound_gain
from components.improvement.remedies import format_pipeline, propose
from components.improvement.situation import ImproveOptions, RunUnderRepair
from components.models.fetch_permission import forbid_fetching
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.analyses import ImproveParameters
from flows.python_flows.finished_runs.error_attribution import add_blame
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.python_flows.tune import WINNER_FILE
from flows.registry import pipeline_of
from flows.run import final_state
from tasks.stages import report
from tasks.stages.searches.remedy_search import FinishedRun, Limits, RemedySearch


@define_flow(ImproveParameters)
def improve(parameters: ImproveParameters) -> RunRecord | State[RunRecord]:
    """List or try remedies for a finished run; adds the stages of the search to a copy of it."""
    record, run = reopen_run(parameters.run, "improve", parameters)
    with run:
        finished = FinishedRun(pipeline_of(record), dict(run.stages), run.parameters.seed, run.store)
        if BLAME.kind not in run.stages:
            check_references(run.stages[DATA])
            add_blame(run, finished.pipeline)
        blames = {blame.metric: blame for blame in BLAME.read(run.stages[BLAME.kind]).blames}
        choices = ImproveOptions(**{name: getattr(parameters, name) for name in ImproveOptions._fields})
        situation = RunUnderRepair(finished.pipeline, chain_of(finished.pipeline, finished.stages), choices)
        proposals = propose(situation)
        bounds = {p.remedy: bound_gain(p, situation, blames[parameters.metric]) for p in proposals}
        limits = Limits(parameters.budget, parameters.probe, parameters.metric)
        with forbid_fetching() if parameters.budget is None else nullcontext():  # which only lists
            search = RemedySearch(finished, proposals, bounds, limits)
            study = run.add(search.run())
        improved, confirmation = search.confirm(study)
        if improved is not None:
            write_bytes(run.path / WINNER_FILE, format_pipeline(improved).encode())
        if confirmation is not None:
            run.add(confirmation)
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)
