"""simulstream's logs of what a streaming system wrote: JSON lines, a line for each chunk that was heard.

Their scorers read ours, and ours theirs (simulstream 1.0; its LogReader). Times are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.errors import DataError
from components.files.json_text import parse_json
from components.simultaneous.records import Delta, Replay, Step


def write_log(replays: Iterable[Replay], audio: Mapping[str, str], node: str) -> str:
    """Return the log of a node's output.

    Args:
        replays: of each recording.
        audio: utterance id -> name of the recording.
        node: whose output.
    """
    lines: list[dict[str, Any]] = []
    for number, replay in enumerate(replays):
        name = audio[replay.utterance_id]
        lines.append({"id": number, "metadata": {"wav_name": name}})
        deltas = {delta.step: delta for delta in replay.deltas.get(node, ())}
        for n, step in enumerate(replay.steps):
            lines.append(
                {
                    "id": number,
                    "total_audio_processed": step.heard,
                    "computation_time": sum(step.seconds.values()),
                    "generated_tokens": list(deltas[n].units) if n in deltas else [],
                    "deleted_tokens": [],
                }
            )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read_log(lines: Iterable[str], node: str = "output") -> Iterator[Replay]:
    """Yield the replays of a log whose system takes nothing back.

    Args:
        lines: of the log.
        node: name of its output.

    Raises:
        DataError: it is no such log, or takes something back.
    """
    names: dict[object, str] = {}
    steps: dict[object, list[dict[str, Any]]] = {}
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_json(line)
            if "metadata" in entry:
                names[entry["id"]] = str(entry["metadata"]["wav_name"])
                continue
            if entry["deleted_tokens"]:
                raise DataError(
                    f"line {number}: expected a system that takes nothing back, found deleted_tokens"
                )
            steps.setdefault(entry["id"], []).append(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"line {number}: expected a line of simulstream's log, found another: {error}"
            ) from None
    for key, entries in steps.items():
        yield _replay(names.get(key, str(key)), entries, node)


def _replay(name: str, entries: list[dict[str, Any]], node: str) -> Replay:
    clock, steps, deltas = 0.0, [], []
    for number, entry in enumerate(entries):
        heard, seconds = float(entry["total_audio_processed"]), float(entry["computation_time"])
        begins = max(heard, clock)
        clock = begins + seconds
        steps.append(Step(heard=heard, waited=begins - heard, seconds={node: seconds}))
        units = tuple(map(str, entry["generated_tokens"]))
        if units:
            known = (heard,) * len(units)
            deltas.append(Delta(step=number, units=units, heard=heard, clock=clock, known=known))
    text = " ".join(unit for delta in deltas for unit in delta.units)
    return Replay(
        utterance_id=name,
        seconds=steps[-1].heard,
        steps=tuple(steps),
        deltas={node: tuple(deltas)},
        texts={node: text},
    )
