"""Stacking, P(Y2 | X, Y1): a second system translates from the first one's texts and the speech.

data (text-only data are spoken first) -> asr -> mt -> stack -> scores -> report. Where no model is named, one
is trained first.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.pipeline.pipeline import Pipeline
from components.refining.round_scores import ROUNDS, RoundsRequest
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.stack import StackParameters, pipeline
from flows.run import Run
from flows.system import Hooks, run_system
from tasks.stages.analysis import run_analysis


def _score_rounds(run: Run, pipeline: Pipeline) -> None:
    """Score how many translations of the first system the second one changed, and how many for the worse."""
    speech = run.stages[pipeline.speech_of("stack")]
    texts = (run.stages["mt"], run.stages["stack"])
    target = pipeline.languages[1]
    request = RoundsRequest(speech, texts, target, "bleu")
    changes = ROUNDS.read(run.add(run_analysis(ROUNDS.kind, request, run.store_url)))
    run.metrics |= {name: score for name, score in ROUNDS.scores(changes).items() if name == "harm_rate"}


HOOKS = Hooks(after=_score_rounds)


@define_flow(StackParameters)
def stack(parameters: StackParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, translate it again by a stacked system, score both and report."""
    return run_system("stack", parameters, pipeline(parameters), HOOKS)
