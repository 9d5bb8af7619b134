"""What a run adds whose system revises a translation: the score of each round, and how many got worse."""

from __future__ import annotations

from collections.abc import Mapping

from components.pipeline.pipeline import Pipeline
from components.refining.config import RefineConfig
from components.refining.round_scores import ROUNDS, RoundsRequest, count_stop_reasons, find_rounds
from components.run_record import Score
from components.text.counted_nouns import format_count
from flows.run import Run
from flows.system import Hooks
from tasks.stages.analysis import run_analysis


def _score_rounds(run: Run, pipeline: Pipeline) -> None:
    """Score the text after every round, and note why utterances left the rounds."""
    stages = find_rounds(pipeline, run.stages, "refine")
    if not stages:
        return
    reasons = count_stop_reasons(stages[-1])
    counts = ", ".join(f"{name} {count}" for name, count in reasons.items())
    run.notes.append(f"{format_count(len(stages) - 1, 'round')}; utterances ended by: {counts}")
    settings = pipeline.nodes[pipeline.aliases["refine"]].settings
    assert isinstance(settings, RefineConfig)
    request = RoundsRequest(run.stages["data"], stages, pipeline.languages[1], settings.reported)
    run.metrics |= _score(run, request)


def _score_change(run: Run, pipeline: Pipeline) -> None:
    """Score how many translations of the first system the second one changed, and how many for the worse."""
    speech = run.stages[pipeline.speech_of("stack")]
    texts = (run.stages["mt"], run.stages["stack"])
    target = pipeline.languages[1]
    scores = _score(run, RoundsRequest(speech, texts, target, "bleu"))
    run.metrics |= {name: score for name, score in scores.items() if name == "harm_rate"}


def _score(run: Run, request: RoundsRequest) -> Mapping[str, Score]:
    return ROUNDS.scores(ROUNDS.read(run.add(run_analysis(ROUNDS.kind, request, run.store))))


REFINE = Hooks(after=_score_rounds)
STACK = Hooks(after=_score_change)
