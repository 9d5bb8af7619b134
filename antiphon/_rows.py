"""Rows of a run as plain dictionaries: of utterances, of what a node gave, of segments and of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Literal

from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Route, Utterance
from components.run_record import RunRecord

Row = dict[str, object]
Per = Literal["utterance", "segment", "word"]
"""What a row stands for: segments and words have times."""


def describe_utterance(utterance: Utterance, outcomes: Mapping[str, NodeOutcome | None]) -> Row:
    """Return an utterance with its references and the best text of every node.

    A node that has the name of a column of the data is ``node:NAME``.
    """
    row: Row = {"id": utterance.id, **_describe_source(utterance)}
    row |= {"text": utterance.text, "transcript": utterance.transcript}
    row["references"] = list(utterance.references)
    texts = {node: _summarize(outcome) for node, outcome in outcomes.items()}
    return row | {f"node:{node}" if node in row else node: text for node, text in texts.items()}


def list_rows_of_node(
    outcome: NodeOutcome, utterance: Utterance | None, utterance_id: str, per: Per
) -> Iterator[Row]:
    """List the rows of what a node gave for an utterance: one, or one a segment or word with times."""
    source = {} if utterance is None else _describe_source(utterance)
    if per == "utterance":
        fields = dict(_list_fields(outcome))
        yield {"id": utterance_id, **fields, **{name: v for name, v in source.items() if name not in fields}}
    elif isinstance(outcome, NBest):
        for stretch in _list_stretches(outcome.best, per):
            yield {"id": utterance_id, **stretch, **source}


def format_run_as_html(run: RunRecord) -> str:
    """Return a small table of a run for a notebook; every text in it is escaped."""
    head = f"<b>{escape(run.name)}</b> {escape(run.flow)}, {escape(run.status)}, {escape(run.started)}"
    scores = "".join(
        f"<tr><th>{escape(score.name)}</th><td>{score.value:.2f}</td><td>{_format_interval(score.interval)}</td>"
        f"<td>{score.n} of {score.n_total}</td></tr>"
        for score in run.scores
    )
    refs = {ref.stage: ref for ref in run.stages}
    nodes = "".join(
        f"<tr><th>{escape(node.name)}</th><td>{escape(node.kind)}</td>"
        f"<td>{escape(', '.join(dict.fromkeys(node.models.values())))}</td>"
        f"<td>{refs[node.name].items - refs[node.name].quarantined if node.name in refs else ''}</td></tr>"
        for node in run.pipeline.nodes
    )
    tables = [
        f"<table><thead>{_format_header(columns)}</thead><tbody>{rows}</tbody></table>"
        for columns, rows in (
            (("node", "kind", "models", "items"), nodes),
            (("metric", "value", "95% interval", "scored"), scores),
        )
        if rows
    ]
    return f"<div>{head}{''.join(tables)}</div>"


def _describe_source(utterance: Utterance) -> Row:
    """Return where an utterance comes from: its recording, stretch and labels."""
    audio = utterance.audio
    return {
        "audio": audio and audio.path,
        "offset": audio and audio.offset,
        "seconds": audio and audio.seconds,
        "speaker": utterance.speaker,
        "domain": utterance.domain,
    }


def _list_stretches(best: Hypothesis, per: Per) -> Iterator[Row]:
    """Segments, or their words, with times in seconds from the start of the utterance."""
    for number, segment in enumerate(best.segments):
        if per == "segment":
            row: Row = {"segment": number, "start": segment.start, "end": segment.end, "text": segment.text}
            yield row | {"mean_log_prob": segment.mean_log_prob}
        else:
            for word in segment.words:
                row = {"segment": number, "start": word.start, "end": word.end, "text": word.text.strip()}
                yield row | {"probability": word.probability}


def _list_fields(outcome: NodeOutcome) -> Iterator[tuple[str, object]]:
    """Yield the columns of what a node gave for an utterance."""
    if isinstance(outcome, NBest):
        best = outcome.best
        yield from (("text", best.text), ("score", best.score), ("n_tokens", best.n_tokens))
        yield from (("system", best.system), ("n_best", len(outcome.hypotheses)))
        if best.segments:
            yield from (("start", best.segments[0].start), ("end", best.segments[-1].end))
        yield from best.features.items()
    elif isinstance(outcome, Route):
        yield from (("branch", outcome.branch), ("value", outcome.value))
    elif isinstance(outcome, Quarantined):
        yield from (("reason", outcome.reason), ("detail", outcome.detail))
    elif outcome.audio is not None:
        yield from (("audio", outcome.audio.path), ("seconds", outcome.audio.seconds))


def _summarize(outcome: NodeOutcome | None) -> str | None:
    """Return what stands for an outcome in a table of the whole run; None where there is none."""
    if isinstance(outcome, NBest):
        return outcome.best.text
    if isinstance(outcome, Route):
        return outcome.branch
    return outcome.audio.path if isinstance(outcome, Utterance) and outcome.audio else None


def _format_interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def _format_header(columns: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
