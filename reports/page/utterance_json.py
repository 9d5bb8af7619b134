"""Utterances as JSON for the page's script: a line of the index, and the details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import cast

from components.analysis.table import Column
from components.files.locations.location import file_name_of
from components.metrics.table import label_of
from components.records import Hypothesis, NBest, Quarantined, Segment, Token
from components.text.escaping import to_printable
from components.text.matching.alignment import Edit
from components.text.text_confidence import ESTIMATES, confidence_of
from components.text.token_pieces import spell_pieces
from reports.page.audio import relative_url
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from reports.views.steps import Step

_OPERATIONS = {"equal": "e", "substitute": "s", "insert": "i", "delete": "d"}


RUN_COLUMNS = (
    Column("wer", "WER, worst first"),
    Column("chrf", "chrF2, worst first", "smallest"),
    Column("score", "log-probability, least likely first", "smallest"),
    Column("confidence", "confidence, least sure first", "smallest"),
    Column("mean_log_prob", "log-probability per token, least likely first", "smallest"),
    Column("tokens", "tokens, most first"),
    Column("p_correct", "probability of no error (estimated), least sure first", "smallest"),
    Column("p_bad", "probability that the translation is bad (estimated), most doubtful first"),
    Column("expected_wer", "expected WER (estimated), worst first"),
    Column("expected_chrf", "expected chrF (estimated), worst first", "smallest"),
    Column("word_confidence", "mean confidence of its words (estimated), least sure first", "smallest"),
)
"""Numbers of every utterance of a run, of its last nodes that have them."""
LENGTH = Column("length", "longest first")
"""Seconds of audio, else characters of the source."""
EDITING = ("edit_from_file", "edit_by_reviewer")
"""Kinds of nodes in which a person changes texts."""
QUARANTINED, EDITED, WITH_ERRORS = 1, 2, 4
"""Flags of an utterance in the index."""


def columns_of(view: RunView) -> list[Column]:
    """Return what the utterances of a view can be sorted and filtered by."""
    return [*(() if view.systems else RUN_COLUMNS), LENGTH, *view.columns]


def build_index_line(
    row: UtteranceRow, columns: Sequence[Column], target: str | None, edited: Sequence[str]
) -> list[object]:
    """Return [id, numbers, flags, source language, target language, domain, speaker, text to search in].

    Args:
        row: the utterance.
        columns: whose numbers are listed.
        target: its target language.
        edited: nodes in which a person changed its text.
    """
    utterance = row.utterance
    texts = [utterance.id, utterance.text, utterance.transcript, *utterance.references]
    texts += [outcome.best.text for outcome in row.outcomes.values() if isinstance(outcome, NBest)]
    bad = row.quarantined
    texts += [bad.stage, bad.reason, bad.detail] if bad else []
    wrong = any(
        alignment.values.get("wer") or alignment.values.get("cer") for alignment in row.alignments.values()
    )
    return [
        utterance.id,
        [_round(value, 3) for value in _numbers(row, columns)],
        QUARANTINED * (bad is not None) + EDITED * bool(edited) + WITH_ERRORS * wrong,
        utterance.source_language,
        target or "",
        utterance.domain or "",
        utterance.speaker or "",
        "\n".join(dict.fromkeys(to_printable(text).lower() for text in texts if text)),
    ]


def _numbers(row: UtteranceRow, columns: Sequence[Column]) -> list[float | None]:
    utterance, best = row.utterance, row.best
    numbers = {
        "wer": row.value("wer") if row.value("wer") is not None else row.value("cer"),
        "chrf": row.value("chrf"),
        "score": row.score,
        "confidence": confidence_of(best) if best else None,
        "mean_log_prob": best.score / best.n_tokens if best and best.n_tokens else None,
        "tokens": float(best.n_tokens) if best else None,
        "length": utterance.audio.seconds if utterance.audio else float(len(utterance.text or "")),
    }
    numbers |= _estimates(row)
    names = dict.fromkeys(column.name for column in columns)
    return [row.values[name] if name in row.values else numbers.get(name) for name in names]


def _estimates(row: UtteranceRow) -> dict[str, float | None]:
    """Return what estimators say of the utterance, each of the last node that has it."""
    numbers: dict[str, float | None] = {}
    for outcome in row.outcomes.values():
        if isinstance(outcome, NBest):
            features, words = outcome.best.features, outcome.best.word_confidences
            numbers |= {name: features[name] for name in ESTIMATES if name in features}
            numbers |= {"word_confidence": fmean(words)} if words else {}
    return numbers


def drop_empty_columns(index: Sequence[list[object]], columns: Sequence[Column]) -> list[Column]:
    """Leave in the lines of an index only the columns for which any utterance has a number; return these."""
    names = list(dict.fromkeys(column.name for column in columns))
    numbers: list[list[float | None]] = [cast("list[float | None]", line[1]) for line in index]
    used = [n for n in range(len(names)) if any(values[n] is not None for values in numbers)]
    for line, values in zip(index, numbers, strict=True):
        line[1] = [values[n] for n in used]
    return [column for column in columns if column.name in {names[n] for n in used}]


def list_edited_nodes(steps: Sequence[Step]) -> list[str]:
    """Return nodes in which a person changed the text."""
    return [step.node.name for step in steps if step.node.kind in EDITING and step.edits]


def build_details(
    view: RunView, row: UtteranceRow, steps: Sequence[Step], folder: Path, embedded: frozenset[str]
) -> dict[str, object]:
    """Return the everything that is shown of one utterance.

    Args:
        view: the run.
        row: the utterance.
        steps: its way through the pipeline.
        folder: of the report, which links are relative to.
        embedded: sha256 of the audio files that the page carries.
    """
    utterance, target = row.utterance, view.target_language_of(row.utterance)
    entry: dict[str, object] = {
        "id": utterance.id,
        "languages": [utterance.source_language, target or ""],
        "domain": utterance.domain or "",
        "speaker": utterance.speaker or "",
        "text": utterance.text or "",
        "transcript": utterance.transcript,
        "references": utterance.references,
        "stages": [
            _stage(view, stage, outcome, row)
            for stage, outcome in row.outcomes.items()
            if isinstance(outcome, NBest | Quarantined)
        ],
        "steps": [_step(step) for step in steps],
        "edited": list_edited_nodes(steps),
        "values": {name: _round(value) for name, value in row.values.items()},
    }
    if utterance.audio is not None:
        audio = utterance.audio
        carried = audio.sha256 in embedded
        entry["audio"] = {
            "seconds": round(audio.seconds, 2),
            "offset": round(audio.offset, 3),
            "name": file_name_of(audio.path),
            **({"embedded": audio.sha256} if carried else {"link": relative_url(audio, folder)}),
        }
    return entry


def _step(step: Step) -> dict[str, object]:
    """Return a node on the way: what it is and read, what it gave, and how that differs from what it read."""
    entry: dict[str, object] = {
        "node": step.node.name,
        "kind": step.node.kind,
        "reads": step.node.inputs,
        "result": step.result,
    }
    if step.note:
        entry["note"] = step.note
    if step.near is not None:
        entry |= {"near": step.near, "spaced": step.spaced, "edits": [_edit(e) for e in step.edits]}
    return entry


def _stage(view: RunView, stage: str, outcome: NBest | Quarantined, row: UtteranceRow) -> dict[str, object]:
    entry: dict[str, object] = {"stage": stage, "recognition": view.transcribes(stage)}
    if isinstance(outcome, Quarantined):
        return entry | {"reason": outcome.reason, "detail": outcome.detail}
    name = partial(view.name_member, stage)
    entry["nbest"] = [_hypothesis(hypothesis, name) for hypothesis in outcome.hypotheses]
    if outcome.best.segments:
        entry["segments"] = [_segment(segment) for segment in outcome.best.segments]
    comparison = row.alignments.get(stage)
    if comparison is not None:
        entry["spaced"] = comparison.spaced
        entry["edits"] = [_edit(edit) for edit in comparison.written_edits]
        entry["values"] = {label_of(name): _round(value, 4) for name, value in comparison.values.items()}
    if judgments := row.judgments.get(stage):
        judged = {judgment.label: _round(judgment.value, 4) for judgment in judgments}
        entry["values"] = {**cast("dict[str, float]", entry.get("values", {})), **judged}
        entry["errors"] = [  # start and end: characters of the best hypothesis, as code points
            [judgment.label, span.severity, span.start, span.end, _round(span.confidence)]
            for judgment in judgments
            for span in judgment.spans
        ]
    return entry


def _segment(segment: Segment) -> list[object]:
    """[start, end, text, [[start, end, word, probability], ...]], in seconds; and who speaks, if known."""
    words = [
        [round(word.start, 2), round(word.end, 2), word.text, _round(word.probability)]
        for word in segment.words
    ]
    speaker = [segment.speaker] if segment.speaker else []
    return [round(segment.start, 2), round(segment.end, 2), segment.text, words, *speaker]


def _edit(edit: Edit[str]) -> list[str | None]:
    return [_OPERATIONS[edit.operation], edit.reference, edit.hypothesis]


def _hypothesis(hypothesis: Hypothesis, name_member: Callable[[str], str]) -> list[object]:
    """Return [text, score, tokens, [[piece, log-probability, {member: number}], ...], {feature: number}].

    Where words have confidences, these follow: [[word, confidence], ...].
    """
    sure = zip(hypothesis.text.split(), hypothesis.word_confidences, strict=False)
    words = [(word, round(confidence, 3)) for word, confidence in sure]
    return [
        hypothesis.text,
        round(hypothesis.score, 3),
        hypothesis.n_tokens,
        _tokens(hypothesis.tokens, name_member),
        {name_member(name): round(value, 4) for name, value in hypothesis.features.items()},
        *([words] if words else []),
    ]


def _tokens(tokens: Sequence[Token], name_member: Callable[[str], str]) -> list[list[object]]:
    """Return the tokens as they are read; what writes no text by its own name."""
    shown = zip(spell_pieces([token.piece for token in tokens]), tokens, strict=True)
    return [_token(text or token.piece, token, name_member) for text, token in shown]


def _token(text: str, token: Token, name_member: Callable[[str], str]) -> list[object]:
    members = {name_member(name): round(value, 3) for name, value in token.members.items()}
    return [text, round(token.log_prob, 3), *([members] if members else [])]


def _round(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
