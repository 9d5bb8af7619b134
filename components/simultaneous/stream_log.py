"""simulstream's logs of what a streaming system wrote: JSON lines, a line for each chunk that was heard.

Its scorers read what :func:`write_log` writes (simulstream 1.0, LogReader), and :func:`read_log` what its
servers write. Times are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from components.errors import DataError
from components.files.json_text import parse_json
from components.simultaneous.policies import common_prefix
from components.simultaneous.records import Delta, Replay, Step
from components.simultaneous.units import join_units, split_units

WORD_BEGINS = "▁"
"""Mark of SentencePiece: tokens with it are parts of words."""


def write_log(replays: Iterable[Replay], audio: Mapping[str, str], node: str) -> str:
    """Return the log of a node's output.

    Args:
        replays: of each recording.
        audio: utterance id -> name of the recording.
        node: whose output.
    """
    lines: list[dict[str, Any]] = []
    for number, replay in enumerate(replays):
        lines.append({"id": number, "metadata": {"wav_name": audio[replay.utterance_id]}})
        deltas = {delta.step: delta for delta in replay.deltas.get(node, ())}
        shown: list[str] = []
        for n, step in enumerate(replay.steps):
            delta = deltas.get(n)
            units, deleted = ([], 0) if delta is None else (list(delta.units), delta.deleted)
            stays = len(shown) - deleted
            lines.append(
                {
                    "id": number,
                    "total_audio_processed": step.heard,
                    "computation_time": sum(step.seconds.values()),
                    "generated_tokens": units,
                    "deleted_tokens": shown[stays:],
                }
            )
            shown = [*shown[:stays], *units]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


class _Line(BaseModel):
    """A line of a chunk."""

    total_audio_processed: float = Field(ge=0, allow_inf_nan=False)
    computation_time: float = Field(ge=0, allow_inf_nan=False)
    generated_tokens: list[str]
    deleted_tokens: list[str]


def read_log(text: str, language: str, node: str) -> dict[str, Replay]:
    """Return what a log says that a system wrote, by the name of the recording without its ending.

    A word that later tokens change counts as taken back and written anew, as in simulstream.

    Args:
        text: of the log.
        language: of what was written.
        node: under whose name it stands in the replays.

    Raises:
        DataError: which line is wrong.
    """
    names, chunks = dict[Any, str](), dict[str, list[_Line]]()
    for number, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            values = dict(parse_json(written))
            if "metadata" in values:
                names[values["id"]] = PurePosixPath(values["metadata"]["wav_name"]).stem
            elif "id" in values:
                chunks.setdefault(names[values["id"]], []).append(_Line.model_validate(values))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"line {number}: {_describe(error)}") from error
    return {name: _to_replay(name, lines, language, node) for name, lines in chunks.items()}


def _describe(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"expected a chunk of simulstream's log, found {first['loc'][0]}: {first['msg'].lower()}"
    if isinstance(error, KeyError):
        return f"expected metadata with wav_name before the chunks of each id, found none of {error}"
    return "expected a JSON object, found something else"


def _to_replay(name: str, lines: Sequence[_Line], language: str, node: str) -> Replay:
    times = [line.total_audio_processed for line in lines]
    if times != sorted(times):
        raise DataError(f"{name}: expected chunks in the order of time, found times that fall")
    steps = [Step(heard=line.total_audio_processed, seconds={node: line.computation_time}) for line in lines]
    shown, deltas, clock = list[str](), list[Delta](), 0.0
    for number, (line, units) in enumerate(zip(lines, _follow(name, lines, language), strict=True)):
        heard = line.total_audio_processed
        clock = max(heard, clock) + line.computation_time
        same = common_prefix([shown, units])
        added, deleted = tuple(units[same:]), len(shown) - same
        if added or deleted:
            known = (heard,) * len(added)
            deltas.append(
                Delta(step=number, units=added, heard=heard, clock=clock, known=known, deleted=deleted)
            )
        shown = units
    text = join_units(shown, language)
    return Replay(
        utterance_id=name,
        seconds=times[-1],
        steps=tuple(steps),
        deltas={node: tuple(deltas)},
        texts={node: text},
    )


def _follow(name: str, lines: Sequence[_Line], language: str) -> Iterator[list[str]]:
    """Yield the units that are shown after each line."""
    has_pieces = any(WORD_BEGINS in token for line in lines for token in line.generated_tokens)
    tokens: list[str] = []
    for line in lines:
        stays = len(tokens) - len(line.deleted_tokens)
        if stays < 0 or tokens[stays:] != line.deleted_tokens:
            found = " ".join(line.deleted_tokens)[:60]
            raise DataError(
                f"{name}, {line.total_audio_processed:g} s: expected deleted_tokens to be the last tokens, "
                f"found {found!r}"
            )
        tokens = [*tokens[:stays], *line.generated_tokens]
        text = "".join(tokens).replace(WORD_BEGINS, " ") if has_pieces else join_units(tokens, language)
        yield split_units(text, language)
