"""What a run adds whose system revises a translation: why utterances ended, and how many got worse."""

from __future__ import annotations

from components.analysis.measuring.protocol import Protocol
from components.pipeline.pipeline import Pipeline
from components.refining.finished_rounds import RoundsRequest, count_stop_reasons, find_rounds
from components.refining.round_scores import ROUNDS
from components.storage.stages.reader import read_nbests
from components.text.counted_nouns import format_count
from flows.run import Run
from flows.system import Hooks
from tasks.stages.analysis import run_analysis


def _note_rounds(run: Run, pipeline: Pipeline) -> None:
    """Note why utterances left the rounds."""
    stages = find_rounds(pipeline, run.stages, "refine")
    if not stages:
        return
    reasons = count_stop_reasons(read_nbests(stages[-1]))
    counts = ", ".join(f"{name} {count}" for name, count in reasons.items())
    run.notes.append(f"{format_count(len(stages) - 1, 'round')}; utterances ended by: {counts}")


def _score_change(run: Run, pipeline: Pipeline) -> None:
    """Score how many translations of the first system the second one changed, and how many for the worse."""
    speech = run.stages[pipeline.speech_of("stack")]
    texts = (run.stages["mt"], run.stages["stack"])
    protocol = Protocol(language=pipeline.language_of("stack"), target_language=pipeline.languages[1])
    ref = run.add(run_analysis(ROUNDS.kind, [RoundsRequest(speech, texts, protocol, "bleu")], run.store))
    scores = ROUNDS.scores(ROUNDS.read(ref))
    run.metrics |= {name: score for name, score in scores.items() if name == "harm_rate"}


REFINE = Hooks(after=_note_rounds)
STACK = Hooks(after=_score_change)
