"""The steps of one utterance through the pipeline: what each node read and produced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.records import Decision, NBest, NodeOutcome, Quarantined, Route, Utterance
from components.run_record import NodeRecord
from components.text.languages import without_spaces
from components.text.matching.alignment import Edit, align
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from reports.views.utterance_alignment import split_units

Result = Literal["text", "speech", "way", "quarantined", "none"]


@dataclass(frozen=True)
class Step:
    """A node on the way of an utterance.

    Attributes:
        result: what it gave; ``none`` where it gave nothing, and then ``note`` says why.
        note: the way taken, the length of the speech, the decision of a round, or the reason.
        near: of the texts in the same language that were there before it, the nearest to the node's own.
        edits: from that text to the node's; empty where they are the same.
    """

    node: NodeRecord
    result: Result
    note: str = ""
    near: str | None = None
    edits: tuple[Edit[str], ...] = ()
    spaced: bool = True


def steps_of(view: RunView, row: UtteranceRow) -> list[Step]:
    """Return a step for every node that had, or could have had, something to do with the utterance."""
    return list(_steps(view, row))


def _steps(view: RunView, row: UtteranceRow) -> Iterator[Step]:
    for node in view.run.pipeline.of_data():
        outcome = row.outcomes.get(node.name)
        if isinstance(outcome, NBest):
            yield _text(view, row, node, outcome)
        elif isinstance(outcome, Route):
            value = "" if outcome.value is None else f" ({outcome.value:.4g})"
            yield Step(node, "way", f"{outcome.branch}{value}")
        elif isinstance(outcome, Utterance):
            seconds = f"{outcome.audio.seconds:.2f} s" if outcome.audio else ""
            yield Step(node, "speech", seconds)
        elif isinstance(outcome, Quarantined):
            yield Step(node, "quarantined", f"{outcome.reason}: {outcome.detail}")
        elif (reason := _absence(view, row, node)) is not None:
            yield Step(node, "none", reason)


def _absence(view: RunView, row: UtteranceRow, node: NodeRecord) -> str | None:
    """Why a node produced nothing for an utterance; None where it was not expected to (or is not shown)."""
    if node.status in ("skipped", "failed", "blocked"):
        return "skipped: nothing to do" if node.status == "skipped" else f"the node {node.status}"
    if node.name not in view.outcomes:
        return None
    if node.when is not None:
        above, branch = node.when.split(".", 1)
        sent = _way_of(row.outcomes.get(above))
        if sent != branch:
            return f"not sent here: {above} said {sent}" if sent else f"not sent here by {above}"
    read = [name for name in node.inputs if name in view.outcomes]
    missing = [name for name in read if isinstance(row.outcomes.get(name), Quarantined | None)]
    return f"nothing came from {', '.join(missing)}" if missing else None


def _way_of(outcome: NodeOutcome | None) -> str | None:
    if isinstance(outcome, Route):
        return outcome.branch
    decision = outcome.best.decision if isinstance(outcome, NBest) else None
    return None if decision is None else "going" if decision.stopped is None else "stopped"


def _text(view: RunView, row: UtteranceRow, node: NodeRecord, outcome: NBest) -> Step:
    note = "" if outcome.best.decision is None else _describe_decision(outcome.best.decision)
    language = view.language_of(node, row.utterance)
    own = split_units(outcome.best.text, language)
    candidates: list[tuple[int, str, tuple[Edit[str], ...]]] = []
    for name in reversed(_before(view, node)):  # of two equally near the later
        above, outcome_above = view.run.pipeline.node(name), row.outcomes.get(name)
        if (
            above is None
            or not isinstance(outcome_above, NBest)
            or view.language_of(above, row.utterance) != language
        ):
            continue
        edits = tuple(align(split_units(outcome_above.best.text, language), own))
        candidates.append((sum(edit.operation != "equal" for edit in edits), name, edits))
    if not candidates:
        return Step(node, "text", note)
    cost, near, edits = min(candidates, key=lambda alignment: alignment[0])
    return Step(node, "text", note, near, edits if cost else (), not without_spaces(language))


def _before(view: RunView, node: NodeRecord) -> list[str]:
    """Return the nodes that it reads, after those by which utterances were routed to it."""
    sent_by = view.run.pipeline.node(node.when.split(".", 1)[0]) if node.when else None
    return [*(sent_by.inputs if sent_by is not None else ()), *node.inputs]


def _describe_decision(decision: Decision) -> str:
    parts = ["accepted" if decision.accepted else "not accepted: the text before stays"]
    parts += [f"stopped: {decision.stopped}"] if decision.stopped else []
    parts += [f"the critic: {decision.feedback}"] if decision.feedback else []
    return "; ".join(parts)
