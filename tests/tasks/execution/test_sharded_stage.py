from __future__ import annotations

import logging
from concurrent.futures import Future
from threading import Event
from typing import Any

import pytest
from tasks.execution.shards.shard_job import ShardResult, pack_items
from tasks.execution.shards.sharded_stage import InFlight, ShardedStage, ShardWork

from components.nodes.node_context import Item
from components.records import Audio, Utterance
from reports.terminal.node_progress import NodeProgress
from tasks import progress
from tasks.execution.run_coordinator import HaltedError, RunCoordinator
from tasks.progress import ShardSize


class Writer:
    """A stage of which nothing is there yet."""

    shards_done = 0

    def __init__(self) -> None:
        self.lines: list[str] = []

    def append(self, outputs: list[str], errors: list[str], **options: Any) -> None:
        self.lines += outputs


@pytest.mark.parametrize("computed", [[], [0], [0, 1], [1]])
def test_a_run_that_is_stopped_appends_the_shards_that_end_in_time_and_in_order(
    computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "get_run_logger", lambda: logging.getLogger("run"))
    coordinator, writer = RunCoordinator(), Writer()
    work = ShardWork("a", "lane", 0, lambda: pytest.fail("nothing new may begin"))
    sharded = ShardedStage(writer, work, coordinator, NodeProgress("a", 3))  # type: ignore[arg-type]
    for number in (0, 1):
        future: Future[ShardResult] = Future()
        if number in computed:
            future.set_result(ShardResult([f"line {number}"], [], 0.0, 0))
        sharded._in_flight.append(InFlight(number, "", ShardSize(1), future, Event()))  # type: ignore[arg-type]
    coordinator.halt(0.1)
    items = [Item(utterance=Utterance(id="u", text="u", source_language="en"))]
    with pytest.raises(HaltedError):
        sharded.run(iter([(2, items)]))
    in_order = [] if 0 not in computed else computed
    assert writer.lines == [f"line {number}" for number in in_order]


def test_data_that_are_moved_are_the_same_inputs() -> None:
    """An interrupted stage goes on where it stopped, wherever its recordings lie by then."""
    audio = Audio(path="/here/a.wav", sha256="0" * 64, seconds=1.0, sample_rate=16000)
    spoken = Utterance(id="u", audio=audio, source_language="en")

    def pack(**changes: Any) -> tuple[str, str]:
        moved = audio.model_copy(update=changes)
        return pack_items([Item(utterance=spoken.model_copy(update={"audio": moved}))])

    (here, inputs), (there, same) = pack(), pack(path="/there/a.wav")
    assert ("/here/a.wav" in here, "/there/a.wav" in there) == (True, True)
    assert inputs == same
    assert len({inputs, pack(sha256="1" * 64)[1], pack(offset=0.5)[1]}) == 3
