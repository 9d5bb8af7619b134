"""Sizes of pools: whatever the cluster, every node has a worker, nothing is promised twice, nothing idles."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from tasks.engines.ray.job_room import JobRoom
from tasks.engines.ray.pools import Demand, Machine, Pool, size_pools, size_pools_beside

MACHINES = st.lists(st.builds(Machine, st.integers(1, 64), st.integers(0, 8)), min_size=1, max_size=6)
DEMANDS = st.lists(
    st.builds(
        Demand,
        gpus=st.sampled_from([0.0, 0.0, 1.0]),
        cpus=st.sampled_from([1.0, 4.0, 64.0]),
        replicas=st.sampled_from([None, None, 1, 3]),
        shards=st.integers(1, 200),
        seconds=st.sampled_from([None, 0.1, 30.0, 4000.0]),
    ),
    min_size=1,
    max_size=12,
)


@given(DEMANDS, MACHINES)
def test_every_node_has_a_worker_and_no_more_is_promised_than_there_is(
    demands: list[Demand], machines: list[Machine]
) -> None:
    named = {f"n{number}": demand for number, demand in enumerate(demands)}
    cards = sum(machine.gpus for machine in machines)
    if not cards and any(demand.gpus for demand in demands):
        with pytest.raises(ConfigError, match="expected room"):
            size_pools(named, machines)
        return
    pools = size_pools(named, machines)
    assert sum(pool.size * pool.gpus for pool in pools.values()) <= cards + 1e-6
    assert sum(pool.size * pool.cpus for pool in pools.values()) <= sum(m.cpus for m in machines) + 1e-6
    for name, demand in named.items():
        assert 1 <= pools[name].size <= demand.most
        assert (pools[name].gpus > 0) == (demand.gpus > 0)


def test_all_cards_are_used_at_equal_rates() -> None:
    slow, fast = Demand(1, 1, shards=900, seconds=5400), Demand(1, 1, shards=900, seconds=1800)
    pools = size_pools({"asr": slow, "mt": fast}, [Machine(32, 4)] * 2)
    assert pools == {"asr": Pool(6, 1, 1), "mt": Pool(2, 1, 1)}


def test_a_node_that_ends_sooner_than_a_worker_starts_gets_no_further_one() -> None:
    demands = {"short": Demand(0, 1, shards=90, seconds=4), "long": Demand(0, 1, shards=90, seconds=14)}
    pools = size_pools(demands, [Machine(16, 0)])
    assert (pools["short"].size, pools["long"].size) == (1, 3)


def test_more_nodes_than_cards_share_them() -> None:
    pools = size_pools({name: Demand(1, 1, shards=9) for name in "abc"}, [Machine(32, 1)] * 2)
    assert {pool.gpus for pool in pools.values()} == {0.5}
    assert sum(pool.size for pool in pools.values()) == 4


def test_workers_that_share_processors_do_not_multiply() -> None:
    small = Demand(0, 0.25, fixed_cpus=True, replicas=2, shards=100)
    demands = {"a": small, "b": small, "c": small, "d": Demand(0, 1, shards=99), "e": Demand(0, 1, shards=99)}
    assert sum(pool.size for pool in size_pools(demands, [Machine(1, 0)]).values()) == 5


def test_what_is_set_is_kept() -> None:
    set_by_user = Demand(0.25, 4, fixed_gpus=True, fixed_cpus=True, shards=100)
    pools = size_pools({"a": set_by_user, "b": Demand(0, 1, replicas=2, shards=100)}, [Machine(16, 2)])
    assert (pools["a"].gpus, pools["a"].cpus) == (0.25, 4)
    assert pools["b"].size == 2
    with pytest.raises(ConfigError, match=r"a worker of each of a \(gpus 4, cpus 1\), found machines of 16"):
        size_pools({"a": Demand(4, 1, fixed_gpus=True)}, [Machine(16, 2)])


@given(DEMANDS, DEMANDS, MACHINES)
def test_two_jobs_are_promised_no_more_than_there_is(
    first: list[Demand], second: list[Demand], machines: list[Machine]
) -> None:
    machines = [machine._replace(gpus=max(machine.gpus, 1)) for machine in machines]
    one, two = ({f"n{n}": demand for n, demand in enumerate(demands)} for demands in (first, second))
    pools = list(size_pools(one, machines).values())
    beside = size_pools_beside(pools, two, machines)
    if beside is None:
        return
    pools += beside.values()
    assert sum(pool.size * pool.gpus for pool in pools) <= sum(m.gpus for m in machines) + 1e-6
    assert sum(pool.size * pool.cpus for pool in pools) <= sum(m.cpus for m in machines) + 1e-6


def test_jobs_that_have_no_room_together_follow_each_other_in_order() -> None:
    room = JobRoom(lambda: [Machine(2, 0)])
    small, large = {"a": Demand(0, 1)}, {"a": Demand(0, 1), "b": Demand(0, 1)}
    events: list[str] = []
    go_on = threading.Event()

    def run(name: str, demands: dict[str, Demand]) -> None:
        with room.take(demands):
            events.append(f"{name} begins")
            go_on.wait()
            events.append(f"{name} ends")

    jobs = [("first", small), ("second", small), ("large", large), ("last", small)]
    threads = []
    for name, demands in jobs:
        threads.append(threading.Thread(target=run, args=(name, demands)))
        threads[-1].start()
        while len(room._waiting) + len(events) < len(threads):
            time.sleep(0.001)
    assert events == ["first begins", "second begins"]  # the last one would have room after either
    go_on.set()
    for thread in threads:
        thread.join()
    assert events.index("large begins") > max(events.index("first ends"), events.index("second ends"))
    assert events.index("last begins") > events.index("large ends")
    with pytest.raises(ConfigError, match="expected room"), room.take({"a": Demand(0, 3, fixed_cpus=True)}):
        pass
    with room.take(large):
        pass
