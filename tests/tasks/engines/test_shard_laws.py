"""Any cut of the work over threads and processes, any order, any crash gives the same bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nodes.kind import KINDS
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.items.shard_items import ShardSource
from components.pipeline.pipeline import DATA
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader, decode_shard, shard_name
from components.storage.stages.reader import read_shards
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store
from tasks.engines.node_job import NodeJob, ShardWork
from tasks.engines.shard_computation import compute_shard
from tests.components.storage.upkeep.test_prune_processes import exit_code, fork, wait_for
from tests.components.storage.written import written
from tests.tasks.kinds import FAKES

SHARDS = 4
NODES = ("a", "b")


@pytest.fixture(autouse=True, scope="module")
def kinds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "shout", FAKES["shout"])
        yield


class Bench:
    """Four shards of texts, and two nodes of which the second reads the first."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.root, self.log = folder / "store", folder / "calls"
        ids = [f"bad{n}" if n % 5 == 3 else f"u{n}" for n in range(4 * SHARDS)]
        texts = [Utterance(id=key, text=key, source_language="en") for key in ids]
        self.data = read_shards(written(Store(str(self.root)), DATA, texts, size=4))
        values: dict[str, Any] = {"kind": "shout", "calls": str(self.log), "seconds": seconds}
        nodes = {"a": {**values, "of": DATA}, "b": {**values, "of": "a", "mark": "?"}}
        self.pipeline = read_pipeline({"nodes": nodes})
        ref = written(Store(str(self.root)), DATA, texts, size=4)
        self.plans = plan_nodes(self.pipeline, {DATA: ref}, str(self.root), 0, lambda *_: {})

    def compute(self, node: str, number: int) -> ShardHeader:
        """A shard, and before it the one that it reads."""
        store, planned = Store(str(self.root)), self.plans[node]
        above = self.compute("a", number) if node == "b" else None
        sources = {} if above is None else {"a": ShardSource(above.key)}
        key, alike, identities = planned.work_of(number)
        read = {role: (identity, "") for role, identity in identities.items()}
        if above is not None:
            read["of0"] = (read["of0"][0], above.sha256)
        work = ShardWork(number, key, self.data[number].key, sources, read, alike)
        site = (planned.context, "cpu", 1, ItemGatherer(self.pipeline, planned.node))
        return compute_shard(
            store, NodeJob(planned.stage, planned.node.settings.model_dump_json(), *site), work
        )

    def finish(self) -> dict[str, StageRef]:
        """Both stages, what is missing of them computed."""
        return {
            node: finish_stage(
                Store(str(self.root)),
                self.plans[node].stage,
                [self.compute(node, number) for number in range(SHARDS)],
                {},
            )
            for node in NODES
        }

    def path(self, node: str, number: int) -> Path:
        return self.root / shard_name(self.plans[node].shard_keys[number])

    def bodies(self) -> list[bytes]:
        """What the shards say, without their seconds."""
        keys = [key for node in NODES for key in self.plans[node].shard_keys]
        return [decode_shard((self.root / shard_name(key)).read_bytes(), "", key)[1] for key in keys]

    def calls(self) -> Counter[str]:
        return Counter(self.log.read_text().split("\n")[:-1])


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[bytes]]:
    bench = Bench(tmp_path_factory.mktemp("straight"))
    stages = bench.finish()
    return [stages[node].sha256 for node in NODES], bench.bodies()


def is_as_expected(bench: Bench, expected: tuple[list[str], list[bytes]]) -> bool:
    stages = bench.finish()
    return ([stages[node].sha256 for node in NODES], bench.bodies()) == expected


PLACES = st.tuples(st.sampled_from(NODES), st.integers(0, SHARDS - 1))
DAMAGE = st.tuples(PLACES, st.sampled_from(["removed", "cut off", "flipped"]), st.integers(0, 5000))


def damage(path: Path, how: str, position: int) -> None:
    """Remove a shard, cut it off, or flip one of its bits."""
    if not path.exists():
        return
    content = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    elif how == "cut off":
        path.write_bytes(content[: position % len(content)])
    else:
        content[position % len(content)] ^= 1 << (position % 8)
        path.write_bytes(content)


@settings(max_examples=12)
@given(st.lists(PLACES | DAMAGE, max_size=12))
def test_any_order_with_any_damage_in_between_ends_in_the_same_bytes(
    expected: tuple[list[str], list[bytes]], steps: list[Any]
) -> None:
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for step in steps:
            if isinstance(step[0], str):
                bench.compute(*step)
            else:
                place, how, position = step
                damage(bench.path(*place), how, position)
        assert is_as_expected(bench, expected)


def test_threads_that_compute_the_same_shards_compute_each_once(
    tmp_path: Path, expected: tuple[list[str], list[bytes]]
) -> None:
    bench = Bench(tmp_path)
    places = [(node, number) for node in NODES for number in range(SHARDS)] * 3
    random.Random(2).shuffle(places)
    with ThreadPoolExecutor(6) as pool:
        headers = list(pool.map(lambda place: bench.compute(*place), places))
    assert len({header.model_dump_json() for header in headers}) == 2 * SHARDS
    assert set(bench.calls().values()) == {1}
    assert is_as_expected(bench, expected)


def test_processes_of_which_some_are_killed_lose_nothing_and_compute_little_twice(
    tmp_path: Path, expected: tuple[list[str], list[bytes]]
) -> None:
    bench = Bench(tmp_path, seconds=0.05)

    def work(seed: int) -> None:
        places = [(node, number) for node in NODES for number in range(SHARDS)]
        random.Random(seed).shuffle(places)
        for place in places:
            bench.compute(*place)

    killed = [fork(lambda seed=seed: work(seed)) for seed in (1, 2)]
    wait_for(bench.log)
    time.sleep(0.1)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) in {0, -signal.SIGKILL}
    left = [fork(lambda seed=seed: work(seed)) for seed in (3, 4, 5)]
    assert [exit_code(pid) for pid in left] == [0, 0, 0]
    assert sum(bench.calls().values()) <= 2 * SHARDS + len(killed)
    assert is_as_expected(bench, expected)
