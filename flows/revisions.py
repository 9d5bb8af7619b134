"""What a run adds whose system revises a translation: the score of each round, and how many got worse."""

from __future__ import annotations

from components.pipeline.pipeline import Pipeline
from components.refining.config import RefineConfig
from components.text.counted_nouns import format_count
from flows.run import Run
from flows.system import Hooks
from tasks.stages import refinement_curve


def _score_rounds(run: Run, pipeline: Pipeline) -> None:
    """Score the text after every round, and note why utterances left the rounds."""
    stages = refinement_curve.find_rounds(pipeline, run.stages, "refine")
    if not stages:
        return
    reasons = refinement_curve.count_stop_reasons(stages[-1])
    counts = ", ".join(f"{name} {count}" for name, count in reasons.items())
    run.notes.append(f"{format_count(len(stages) - 1, 'round')}; utterances ended by: {counts}")
    settings = pipeline.nodes[pipeline.aliases["refine"]].settings
    assert isinstance(settings, RefineConfig)
    curve = run.add(
        refinement_curve.score_rounds(
            run.stages["data"], stages, pipeline.languages[1], settings.reported, run.store_url
        )
    )
    run.metrics |= refinement_curve.read_rounds(curve)


def _score_change(run: Run, pipeline: Pipeline) -> None:
    """Score how many translations of the first system the second one changed, and how many for the worse."""
    speech = run.stages[pipeline.speech_of("stack")]
    texts = (run.stages["mt"], run.stages["stack"])
    target = pipeline.languages[1]
    changes = run.add(refinement_curve.score_rounds(speech, texts, target, "bleu", run.store_url))
    run.metrics |= {
        name: score for name, score in refinement_curve.read_rounds(changes).items() if name == "harm_rate"
    }


REFINE = Hooks(after=_score_rounds)
STACK = Hooks(after=_score_change)
