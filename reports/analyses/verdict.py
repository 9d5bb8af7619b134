"""What came out of a run, in the sentences that stand first on its page."""

from __future__ import annotations

from collections.abc import Sequence

from components.analysis.analysis import results_of
from components.analysis.measuring.overview import Overview
from components.analysis.table import Link, Sentence, filter_by, link_to_filter
from components.metrics.table import METRICS, label_of, main_metrics
from components.run_record import RunRecord, Score, StageRef
from components.text.counted_nouns import format_count
from reports.analyses.word_errors import MAX_LINKED, WordErrors


def verdict_of(run: RunRecord) -> list[Sentence]:
    """Return the sentences that stand first wherever a run is shown: page, terminal, Prefect, Python."""
    return [
        *describe_scores(run),
        *map(Sentence, run.seen_data),
        *describe_student(run),
        *describe_findings(run.stages),
        *describe_quarantined(run),
    ]


def describe_student(run: RunRecord) -> list[Sentence]:
    """Return what a distilled student lost against its teacher, in each main score that both have."""
    sentences: list[Sentence] = []
    if run.pipeline.node("teacher") is not None:  # its scores have the names of those of a student's teacher
        return sentences
    for name in ("bleu", "chrf", "dev_bleu", "dev_chrf"):
        student, teacher = run.metrics.get(name), run.metrics.get(f"teacher_{name}")
        if student is None or teacher is None:
            continue
        label, where = label_of(name.removeprefix("dev_")), " on development data" if "dev_" in name else ""
        lost = teacher.value - student.value
        change = f"it lost {lost:.1f}" if lost > 0 else f"it gained {abs(lost):.1f}"
        scores = (
            f"{student.value:.1f}{_interval(student)}, its teacher {teacher.value:.1f}{_interval(teacher)}"
        )
        sentences.append(Sentence(f"The student has {label} {scores}{where}: {change} (no test)."))
    return sentences


def describe_findings(stages: Sequence[StageRef]) -> list[Sentence]:
    """Return the verdicts of the analyses that some stages are."""
    return [sentence for ref, result in results_of(stages) for sentence in result.verdict(result.read(ref))]


def describe_scores(run: RunRecord) -> list[Sentence]:
    """Return the main scores of a run with their intervals, or that nothing was scored, or how it ended."""
    if not run.completed:
        return [
            Sentence(f"The run {_ENDED.get(run.status, run.status)}: what it finished is kept and reused.")
        ]
    names = main_metrics([name for name in run.metrics if name in METRICS])
    if not names:
        if run.systems or not run.pipeline.outputs:
            return []
        words = {"transcript": "transcripts", "translation": "references"}
        missing = " and ".join(f"no {words[role]} for {name}" for role, name in run.pipeline.outputs.items())
        on_dev = any(name.startswith("dev_") for name in run.metrics)
        return [Sentence(f"Nothing was scored: {'no test data' if on_dev else f'the data have {missing}'}.")]
    scores = [run.metrics[name] for name in names]
    counted = {(score.n, score.n_total) for score in scores}
    text = ", ".join(f"{label_of(each.name)} {each.value:.1f}{_interval(each)}" for each in scores)
    if len(counted) == 1:
        n, n_total = counted.pop()
        text += (
            f" on {n:,} of {n_total:,} utterances" if n < n_total else f" on {format_count(n, 'utterance')}"
        )
    return [Sentence(f"{text}.")]


_ENDED = {
    "failed": "failed",
    "cancelled": "was cancelled",
    "suspended": "is suspended",
    "paused": "is paused",
}


def _interval(score: Score) -> str:
    return "" if score.interval is None else " (95% {:.1f} to {:.1f})".format(*score.interval)


def describe_quarantined(run: RunRecord) -> list[Sentence]:
    """Return how many records could not be processed, and where."""
    stages = {ref.key: ref for ref in run.stages if ref.quarantined}.values()
    total = sum(ref.quarantined for ref in stages)
    if not total:
        return []
    where = ", ".join(f"{ref.quarantined:,} in {ref.stage}" for ref in stages)
    text = f"{total:,} record{'s were' if total > 1 else ' was'} quarantined ({where})."
    return [Sentence(text, link_to_filter("See why", "quarantined"))]


def suggest_first_look(errors: WordErrors, overview: Overview | None = None) -> list[Sentence]:
    """Return where to begin: the few utterances that hold half of the word errors.

    Args:
        errors: of the utterances of a page.
        overview: of all utterances, where the page does not have all.
    """
    for each in () if overview is None else overview.texts:
        if each.errors and each.half:
            line = f"Half of the {each.errors:,} word errors are in {format_count(each.half, 'utterance')}."
            return [Sentence(line, Link("Worst first", "#sort=wer"))]
    if overview is not None:
        return []
    counted = errors.concentration()
    if counted is None:
        return []
    total, ids = counted
    text = f"Half of the {total:,} word errors are in {len(ids):,} utterance{'s' * (len(ids) > 1)}."
    if len(ids) <= MAX_LINKED:
        return [Sentence(text, link_to_filter("Look there first", filter_by("id", *ids)))]
    return [Sentence(text, Link("Worst first", "#sort=wer"))]
