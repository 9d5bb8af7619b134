"""Utterances as JSON for the page's script: a line of the index, and the details."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.alignment import Edit
from components.metrics.table import label_of
from components.records import Hypothesis, NBest, Quarantined, Token
from reports.escaping import to_printable
from reports.page.audio import relative_url
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from reports.views.sections import Column
from reports.views.steps import Step, steps_of

_OPERATIONS = {"equal": "e", "substitute": "s", "insert": "i", "delete": "d"}


BASE_COLUMNS = (
    Column("wer", "WER, worst first"),
    Column("chrf", "chrF, worst first", "smallest"),
    Column("score", "score, least likely first", "smallest"),
    Column("length", "longest first"),
)
"""What every list of utterances can be sorted by."""


def build_index_line(row: UtteranceRow, columns: Sequence[Column] = ()) -> list[object]:
    """[number of each column of BASE, then of ``columns``, ..., quarantined, text to search in]."""
    utterance = row.utterance
    texts = [utterance.id, utterance.text, utterance.transcript, *utterance.references]
    texts += [outcome.best.text for outcome in row.outcomes.values() if isinstance(outcome, NBest)]
    bad = row.quarantined
    texts += [bad.stage, bad.reason, bad.detail] if bad else []
    return [
        _round(row.value("wer") if row.value("wer") is not None else row.value("cer")),
        _round(row.value("chrf")),
        _round(row.score, 3),
        _round(utterance.audio.seconds if utterance.audio else float(len(utterance.text or ""))),
        *(_round(row.values.get(column.name)) for column in columns),
        int(bad is not None),
        to_printable("\n".join(text for text in texts if text)).lower(),
    ]


def build_details(
    view: RunView, row: UtteranceRow, folder: Path, embedded: frozenset[str]
) -> dict[str, object]:
    """Everything that is shown of one utterance, every text of it printable."""
    utterance = row.utterance
    entry: dict[str, object] = {
        "id": to_printable(utterance.id),
        "language": to_printable(utterance.source_language),
        "text": to_printable(utterance.text or ""),
        "transcript": None if utterance.transcript is None else to_printable(utterance.transcript),
        "references": [to_printable(reference) for reference in utterance.references],
        "stages": [
            _stage(view, stage, row)
            for stage, outcome in row.outcomes.items()
            if isinstance(outcome, NBest | Quarantined)
        ],
        "steps": [_step(step) for step in steps_of(view, row)],
        "values": {to_printable(name): _round(value) for name, value in row.values.items()},
    }
    if utterance.audio is not None:
        audio = utterance.audio
        entry["audio"] = {
            "seconds": round(audio.seconds, 2),
            "offset": round(audio.offset, 3),
            "name": to_printable(Path(audio.path).name),
            **(
                {"embedded": audio.sha256}
                if audio.sha256 in embedded
                else {"link": relative_url(audio, folder)}
            ),
        }
    return entry


def _step(step: Step) -> dict[str, object]:
    """A node on the way: what it is and read, what it gave, and how that differs from what it read."""
    entry: dict[str, object] = {
        "node": to_printable(step.node.name),
        "kind": to_printable(step.node.kind),
        "reads": [to_printable(name) for name in step.node.inputs],
        "result": step.result,
    }
    if step.note:
        entry["note"] = to_printable(step.note)
    if step.near is not None:
        entry |= {
            "near": to_printable(step.near),
            "spaced": step.spaced,
            "edits": [_edit(e) for e in step.edits],
        }
    return entry


def _stage(view: RunView, stage: str, row: UtteranceRow) -> dict[str, object]:
    outcome = row.outcomes[stage]
    entry: dict[str, object] = {"stage": to_printable(stage), "recognition": view.transcribes(stage)}
    if isinstance(outcome, Quarantined):
        return entry | {"reason": to_printable(outcome.reason), "detail": to_printable(outcome.detail)}
    if not isinstance(outcome, NBest):
        return entry
    entry["nbest"] = [_hypothesis(hypothesis) for hypothesis in outcome.hypotheses]
    comparison = row.alignments.get(stage)
    if comparison is not None:
        entry["spaced"] = comparison.spaced
        entry["edits"] = [_edit(edit) for edit in comparison.edits]
        entry["values"] = {label_of(name): _round(value, 4) for name, value in comparison.values.items()}
    return entry


def _edit(edit: Edit[str]) -> list[str | None]:
    texts = (edit.reference, edit.hypothesis)
    return [_OPERATIONS[edit.operation], *(None if text is None else to_printable(text) for text in texts)]


def _hypothesis(hypothesis: Hypothesis) -> list[object]:
    """[text, score, tokens, [[piece, log-probability, {member: number}], ...], {feature: number}]."""
    return [
        to_printable(hypothesis.text),
        round(hypothesis.score, 3),
        hypothesis.n_tokens,
        [_token(token) for token in hypothesis.tokens],
        {to_printable(name): round(value, 4) for name, value in hypothesis.features.items()},
    ]


def _token(token: Token) -> list[object]:
    members = {to_printable(name): round(value, 3) for name, value in token.members.items()}
    return [to_printable(token.piece), round(token.log_prob, 3), *([members] if members else [])]


def _round(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)
