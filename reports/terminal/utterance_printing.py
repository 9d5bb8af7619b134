"""Prints one utterance to the terminal: its way through the pipeline and the output of every node."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from components.analysis.judgments import Judgment
from components.errors import UnknownUtteranceError
from components.metrics.table import label_of
from components.records import Hypothesis, NBest, Outcome, Quarantined, Token
from components.text.escaping import to_printable
from components.text.matching.alignment import Edit
from components.text.suggestions import did_you_mean
from components.text.text_confidence import ESTIMATES
from components.text.token_pieces import spell_pieces
from reports.terminal.run_printing import format_quarantined, plain_text, print_line
from reports.terminal.tables import new_table
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from reports.views.steps import Step, steps_of
from reports.views.utterance_alignment import ReferenceAlignment

_DOUBTFUL = ((0.3, "bold reverse"), (0.5, "bold underline"), (0.7, "underline"))
"""Confidence below which a word has a style, most doubtful first."""
_MARKS = {"equal": "", "substitute": "bold yellow underline", "insert": "bold cyan", "delete": "red strike"}


def print_utterance(view: RunView, utterance_id: str, console: Console, only: str | None = None) -> None:
    """Print one utterance: source, references, its way through the pipeline, the n-best of ``only`` or all.

    Raises:
        UnknownUtteranceError: the run has no such utterance.
    """
    row = view.row(utterance_id)
    if row is None:
        hint = did_you_mean(utterance_id, (each.id for each in view.utterances))
        raise UnknownUtteranceError(
            f"expected the id of an utterance of run {view.run.name}, found {utterance_id!r}{hint}"
        )
    utterance = row.utterance
    console.print(Text(to_printable(utterance.id), "bold"))
    if utterance.audio is not None:
        print_line(console, "audio", f"{utterance.audio.path} ({utterance.audio.seconds:.2f} s)")
    for label, text in [("source", utterance.text), ("transcript", utterance.transcript)]:
        if text is not None:
            print_line(console, label, text)
    for reference in utterance.references:
        print_line(console, "reference", reference)
    console.print()
    for step in steps_of(view, row):
        if only in (None, step.node.name):
            console.print(_step(step, row))
    for stage, outcome in row.outcomes.items():
        if only in (None, stage) and isinstance(outcome, NBest | Quarantined):
            console.print()
            _print_outcome(row, stage, outcome, console)
            if only is not None and isinstance(outcome, NBest):
                _print_members(view, stage, outcome.best, console)


def _step(step: Step, row: UtteranceRow) -> Text:
    """One node on the way: what it is, what it reads, what it gave; changes against that are marked."""
    reads = f" of {', '.join(step.node.inputs)}" if step.node.inputs else ""
    head = Text.assemble(
        (f"{to_printable(step.node.name)} ", "bold"), (f"{to_printable(step.node.kind + reads)}: ", "dim")
    )
    note = Text(f"({to_printable(step.note)})", "dim")
    outcome = row.outcomes.get(step.node.name)
    if step.result == "text" and isinstance(outcome, NBest):
        if step.near is None:
            text = plain_text(outcome.best.text)
        elif step.edits:
            text = Text.assemble(*map(_format_edit, step.edits))
        else:
            text = Text(f"the same as {to_printable(step.near)}", "italic dim")
        return Text.assemble(head, text, *((" ", note) if step.note else ()))
    begin = {"way": "→ ", "speech": "speech, ", "quarantined": "ended here: ", "none": "– "}[step.result]
    style = {"way": "bold cyan", "quarantined": "yellow"}.get(step.result, "dim")
    return Text.assemble(head, (begin + to_printable(step.note), style))


def _print_outcome(row: UtteranceRow, stage: str, outcome: Outcome, console: Console) -> None:
    comparison = row.alignments.get(stage)
    values = "" if comparison is None else _format_values(comparison)
    values += _format_estimates(outcome)
    judgments = row.judgments.get(stage, ())
    values += "".join(f"  {judgment.label} {judgment.value:#.3g}" for judgment in judgments)
    console.print(Text.assemble((to_printable(stage), "bold"), f"  {values}"))
    if isinstance(outcome, Quarantined):
        console.print(format_quarantined(outcome))
        return
    table = new_table(">", ">score", ">tokens", "hypothesis")
    for rank, hypothesis in enumerate(outcome.hypotheses, start=1):
        table.add_row(
            str(rank), f"{hypothesis.score:.3f}", str(hypothesis.n_tokens), plain_text(hypothesis.text)
        )
    console.print(table)
    if outcome.best.word_confidences:
        _print_confidences(outcome.best, console)
    if comparison is not None and any(edit.operation != "equal" for edit in comparison.edits):
        console.print(Text.assemble(("aligned    ", "dim"), *map(_format_edit, comparison.edits)))
        console.print(Text("           [reference→output] substituted, +inserted, -deleted", "dim"))
    for judgment in row.judgments.get(stage, ()):
        _print_errors(judgment, outcome.best.text, console)


def _format_estimates(outcome: Outcome) -> str:
    """Return what an estimator says of the whole text."""
    features = outcome.best.features if isinstance(outcome, NBest) else {}
    return "".join(f"  {name} {features[name]:.2f}" for name in ESTIMATES if name in features)


def _print_confidences(best: Hypothesis, console: Console) -> None:
    """The words by the confidence that they are right: the doubtful ones with the number, not color alone."""
    line = Text("confidence ", "dim")
    for word, confidence in zip(best.text.split(), best.word_confidences, strict=False):
        style = next((style for below, style in _DOUBTFUL if confidence < below), None)
        text = to_printable(word) if style is None else f"{to_printable(word)}({confidence:.2f})"
        line.append(text, style)
        line.append(" ")
    console.print(line)
    console.print(Text(f"           word(p): right with probability p, below {_DOUBTFUL[-1][0]}", "dim"))


def _print_members(view: RunView, stage: str, best: Hypothesis, console: Console) -> None:
    """What each member of an ensemble, or voter, gave every token of the best, and its weight, if any."""
    names = list(dict.fromkeys(name for token in best.tokens for name in token.members))
    if not names:
        return
    table = new_table("token", ">log-prob", *(f">{view.name_member(stage, name)}" for name in names))
    for text, token in zip(spell_pieces([token.piece for token in best.tokens]), best.tokens, strict=True):
        cells = (_format_member(token, name) for name in names)
        table.add_row(plain_text(text or token.piece), f"{token.log_prob:.3f}", *cells)
    console.print(table)


def _format_member(token: Token, name: str) -> str:
    value = f"{token.members[name]:.3f}" if name in token.members else ""
    return f"{value} × {token.weights[name]:.2f}" if name in token.weights else value


def _print_errors(judgment: Judgment, text: str, console: Console) -> None:
    """The errors that a model marks, a line each: severity, place, the words, confidence."""
    for span in judgment.spans:
        words = to_printable(text[span.start : span.end])
        line = f"{span.severity} {span.start}-{span.end} {words!r} ({span.confidence:.2f})"
        console.print(Text.assemble((f"{judgment.label} error  ", "dim"), (line, "yellow")))


def _format_edit(edit: Edit[str]) -> Text:
    """Return a word with its mark: letters as well as color, for terminals and readers without it."""
    style = _MARKS[edit.operation]
    reference, hypothesis = to_printable(edit.reference or ""), to_printable(edit.hypothesis or "")
    text = {
        "equal": hypothesis,
        "substitute": f"[{reference}→{hypothesis}]",
        "insert": f"+{hypothesis}",
        "delete": f"-{reference}",
    }[edit.operation]
    return Text.assemble((text, style), " ")


def _format_values(comparison: ReferenceAlignment) -> str:
    return "  ".join(
        f"{label_of(name)} {value:.1f}" for name, value in comparison.values.items() if value is not None
    )
