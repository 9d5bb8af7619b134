"""simulstream's logs of what a streaming system wrote: JSON lines, a line for each chunk that was heard.

Its scorers read them (simulstream 1.0, LogReader). Times are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from components.simultaneous.records import Replay


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
