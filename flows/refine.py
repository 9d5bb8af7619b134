"""Refinement: revise a draft (a first pass, or a finished run's) in rounds.

Each round is a stage of the store, so an interrupted run goes on at its round.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.pipeline.pipeline import Pipeline
from components.refining.round_scores import ROUNDS, RoundsRequest, count_stop_reasons, find_rounds
from components.run_record import RunRecord, StageRef
from components.text.counted_nouns import format_count
from flows.definition import define_flow
from flows.parameters.refine import RefineParameters, draft_of, pipeline
from flows.run import Run
from flows.system import Hooks, run_system
from tasks.stages.analysis import run_analysis


@define_flow(RefineParameters)
def refine(parameters: RefineParameters) -> RunRecord | State[RunRecord]:
    """Draft a data set (or take a finished run's draft), refine it round by round, score and report."""
    return run_system("refine", parameters, pipeline(parameters), HOOKS)


def _data_of_draft(parameters: RefineParameters) -> StageRef | None:
    return None if parameters.draft is None else draft_of(parameters)["data"]


def _score_rounds(run: Run, graph: Pipeline) -> None:
    """Score the text after every round, and note why utterances left the rounds."""
    parameters = run.parameters
    assert isinstance(parameters, RefineParameters)
    stages = find_rounds(graph, run.stages, "refine")
    if not stages:
        return
    reasons = count_stop_reasons(stages[-1])
    counts = ", ".join(f"{name} {count}" for name, count in reasons.items())
    run.notes.append(f"{format_count(len(stages) - 1, 'round')}; utterances ended by: {counts}")
    target, metric = parameters.target_language, parameters.refine.reported
    request = RoundsRequest(run.stages["data"], stages, target, metric)
    run.metrics |= ROUNDS.scores(ROUNDS.read(run.add(run_analysis(ROUNDS.kind, request, run.store_url))))


HOOKS = Hooks(data=_data_of_draft, after=_score_rounds)
