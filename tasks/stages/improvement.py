"""Remedies for the errors of a finished run, tried on a probe; the best is run."""

from __future__ import annotations

from components.attribution.attribution import Attribution
from components.attribution.substitution import chain_of
from components.improvement.bounds import bound_gain
from components.improvement.improvement import ImprovementRequest
from components.improvement.remedies import propose
from components.improvement.situation import ImproveOptions, RunUnderRepair
from components.pipeline.pipeline import DATA
from components.run_record import StageRef
from tasks.stages.analysis import run_analysis
from tasks.stages.remedy_search import FinishedRun, Limits, RemedySearch


def improve_run(
    finished: FinishedRun, attribution: Attribution, choices: ImproveOptions, limits: Limits
) -> StageRef:
    """List remedies for a finished run, try them on a probe, run the best, and compare with the forecast.

    Args:
        finished: the run.
        attribution: its error attribution by the metric of ``limits``.
        choices: of the user.
        limits: how far to go.

    Raises:
        ConfigError: the run has nothing whose errors could be attributed.
    """
    chain = chain_of(finished.pipeline, finished.stages)
    situation = RunUnderRepair(finished.pipeline, chain, choices)
    proposals = propose(situation)
    search = RemedySearch(finished, chain.output, proposals, limits)
    if limits.budget is not None:
        search.probe_remedies(limits.budget)
        search.run_best(limits.budget)
    result = search.conclude({p.remedy: bound_gain(p, situation, attribution) for p in proposals})
    improved = next((p.pipeline for p in proposals if p.remedy == search.best), None)
    data, output = finished.stages[DATA], finished.stages[chain.output]
    return run_analysis("improvement", ImprovementRequest(data, output, result, improved), finished.store)
