"""What runs are made of that are killed on purpose: their graph, its log of calls, what they kept."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from os import kill
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.processes import find_descendants
from benchmarks.common.synthetic_texts import lengthen_texts, make_texts, write_rows
from components.data.cutting import CHARACTERS
from components.storage.stages.reader import read_shard, read_shards
from components.storage.store import Store

CALLS = "calls.txt"
"""A line for each call of a node's function: node, id of the record, process."""
NODES = ("first", "second", "third")
ROWS_A_SHARD = 10
_NODE = """\
  {name}:
    {{kind: python, file: steps.py, function: step, of: {of},
     arguments: {{node: {name}, seconds: {seconds}}}}}
"""
_STEPS = f"""\
import os
import time

def step(record, node, seconds):
    with open("{CALLS}", "a") as file:
        file.write(f"{{node}} {{record['id']}} {{os.getpid()}}\\n")
    time.sleep(seconds)
    return record["text"].swapcase() + node[0]
"""


def write_graph(folder: Path, shards: int, seconds: Sequence[float]) -> None:
    """Write a chain of three nodes that log their calls and sleep, and texts of so many shards.

    Args:
        folder: of both.
        shards: of the data set, about.
        seconds: that each node takes for a shard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = lengthen_texts(make_texts(shards * ROWS_A_SHARD), CHARACTERS // ROWS_A_SHARD)
    write_rows(folder / "texts.jsonl", texts)
    chain = zip(NODES, ("data", *NODES), seconds, strict=False)
    nodes = "".join(_NODE.format(name=name, of=of, seconds=s / ROWS_A_SHARD) for name, of, s in chain)
    (folder / "graph.yaml").write_text(f"source_language: en\nnodes:\n{nodes}", encoding="utf-8")
    (folder / "steps.py").write_text(_STEPS, encoding="utf-8")


def count_calls(folder: Path) -> int:
    """The calls that were logged."""
    path = folder / CALLS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_below(pid: int, text: str, choose: Callable[[list[int]], int]) -> bool:
    """Kill one of the processes below another one whose command line holds ``text``; whether any was."""
    pids = sorted(process.pid for process in find_descendants(pid, text))
    if pids:
        with suppress(ProcessLookupError):
            kill(choose(pids), signal.SIGKILL)
            return True
    return False


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 300.0) -> bool:
    """Wait until ``ready``; whether it came true before the process ended.

    Raises:
        SystemExit: the process does nothing for so many seconds.
    """
    until = time.monotonic() + seconds
    while process.poll() is None:
        if ready():
            return True
        if time.monotonic() > until:
            process.kill()
            raise SystemExit(f"a run did nothing for {seconds:g} s")
        time.sleep(0.1)
    return False


class Outcomes(NamedTuple):
    """What a finished run has: node -> the lines of each of its shards; id of a record -> its shard."""

    lines: dict[str, list[list[bytes]]]
    shard_of: dict[str, int]


def has_finished(store: Path, run: str) -> bool:
    """Whether a run has all its stages; one that was stopped has a record without some."""
    if not (store / "runs" / run / "run.json").exists():
        return False
    return {stage.stage for stage in Store(str(store)).load_run(run).stages} >= set(NODES)


def read_outcomes(store: Path, run: str) -> Outcomes:
    """Read all outcomes of a finished run, from its shards."""
    stages = {stage.stage: stage for stage in Store(str(store)).load_run(run).stages}
    lines = {
        name: [[line for _, line in read_shard(store, shard.key)] for shard in read_shards(stages[name])]
        for name in ("data", *NODES)
    }
    shard_of = {key: number for number, shard in enumerate(lines["data"]) for key in _ids(shard, "id")}
    return Outcomes(lines, shard_of)


def _ids(lines: list[bytes], field: str) -> Iterator[str]:
    return (str(json.loads(line)[field]) for line in lines)


def count_lost_rows(outcomes: Outcomes) -> int:
    """Rows that a node has not exactly one outcome of, all nodes together."""
    expected = sorted(outcomes.shard_of)
    lost = 0
    for name in NODES:
        ids = sorted(key for shard in outcomes.lines[name] for key in _ids(shard, "utterance_id"))
        lost += len(set(expected) ^ set(ids)) + len(ids) - len(set(ids))
    return lost


def count_wrong_shards(outcomes: Outcomes, undisturbed: Outcomes) -> int:
    """Shards whose outcomes are not byte for byte those of a run that nobody disturbed."""
    pairs = [
        pair
        for name in ("data", *NODES)
        for pair in zip(outcomes.lines[name], undisturbed.lines[name], strict=True)
    ]
    return sum(one != other for one, other in pairs)


def count_begun(folder: Path, piece_of: Mapping[str, object] | None = None) -> Counter[tuple[str, object]]:
    """Node and piece -> how many processes began it, as the log of calls says.

    Args:
        folder: of the log.
        piece_of: id in the log -> the piece that it is part of; the ids themselves by default.
    """
    lines = {tuple(line.split()) for line in (folder / CALLS).read_text(encoding="utf-8").splitlines()}
    begun = {(node, name if piece_of is None else piece_of[name], pid) for node, name, pid in lines}
    return Counter((node, piece) for node, piece, _ in begun)
