"""Threads, a Dask cluster and a Ray cluster of two nodes compute the same keys and the same bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner

from components.errors import ConfigError
from components.records import StageRef
from tasks import runners
from tests.tasks.shouting import shouting

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]


@pytest.fixture(autouse=True)
def own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTIPHON_ALLOW_CODE", "1")  # workers inherit both
    monkeypatch.setenv("SHOUT_CALLS", str(tmp_path / "calls"))


@pytest.fixture(scope="module")
def by_threads(server: None, tmp_path_factory: pytest.TempPathFactory) -> StageRef:
    folder = tmp_path_factory.mktemp("threads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_ALLOW_CODE", "1")
        patch.setenv("SHOUT_CALLS", str(folder / "calls"))
        ref: StageRef = shouting(str(folder))
    return ref


def run(folder: Path) -> tuple[StageRef, Counter[str], Counter[str]]:
    """The stage, the shards by process and the loads by process."""
    calls = folder / "calls"
    ref = shouting.with_options(task_runner=runners.runner())(str(folder))
    noted = [line.split() for line in calls.read_text("utf-8").splitlines()]
    return ref, *(Counter(pid for what, pid in noted if what == kind) for kind in ("shard", "load"))


def same(one: StageRef, other: StageRef) -> None:
    assert (one.key, one.sha256) == (other.key, other.sha256)
    for name in ("outputs.jsonl", "errors.jsonl"):
        assert (Path(one.path) / name).read_bytes() == (Path(other.path) / name).read_bytes()


def test_dask(by_threads: StageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    monkeypatch.setenv(runners.KIND, "dask")
    ref, shards, loads = run(tmp_path)
    same(by_threads, ref)
    assert (len(shards), shards.total()) == (2, 10)
    assert loads == dict.fromkeys(shards, 1)  # the model stays in its worker


def test_dask_workers_of_this_machine_keep_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    import dask

    monkeypatch.setenv(runners.KIND, "dask")
    runners.runner()
    assert dask.config.get("distributed.nanny.pre-spawn-environ")["MALLOC_TRIM_THRESHOLD_"] is None


def test_ray_with_two_nodes(by_threads: StageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_ray", reason="needs the extra ray")
    runners.RUNNERS["ray"]()  # as a run does: what Ray reads when it is imported is set before
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        monkeypatch.setenv(runners.KIND, "ray")
        monkeypatch.setenv(runners.CLUSTER, cluster.address)
        ref, shards, loads = run(tmp_path)
    finally:
        cluster.shutdown()
    same(by_threads, ref)
    assert (len(shards), shards.total()) == (2, 10)
    assert loads == dict.fromkeys(shards, 1)


def test_a_shard_for_a_gpu_goes_to_the_worker_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    cluster = distributed.SpecCluster(
        scheduler={"cls": distributed.Scheduler, "options": {"dashboard_address": None}},
        workers={
            name: {"cls": distributed.Nanny, "options": {"nthreads": 1, "resources": resources}}
            for name, resources in (("plain", {}), ("card", {"GPU": 1}))
        },
    )

    @task(persist_result=False)
    def where() -> str:
        return str(distributed.get_worker().name)

    @flow(name="placing", persist_result=False)
    def placing() -> set[str]:
        with runners.placed("cuda"):
            futures = [where.submit() for _ in range(6)]
        return {future.result() for future in futures}

    with cluster:
        monkeypatch.setenv(runners.KIND, "dask")
        monkeypatch.setenv(runners.CLUSTER, cluster.scheduler_address)
        assert placing.with_options(task_runner=runners.runner())() == {"card"}


def test_what_the_environment_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(runners.KIND, raising=False)
    assert (runners.kind(), runners.workers(), runners.ahead()) == ("threads", 1, 1)
    monkeypatch.setenv(runners.KIND, "dask")
    monkeypatch.setenv(runners.WORKERS, "3")
    assert (runners.workers(), runners.ahead()) == (3, 6)
    monkeypatch.setenv(runners.WORKERS, "many")
    with pytest.raises(
        ConfigError, match="ANTIPHON_WORKERS: expected a number from 1 to 10,000, found 'many'"
    ):
        runners.ahead()
    monkeypatch.setenv(runners.KIND, "spark")
    with pytest.raises(ConfigError, match="expected one of threads, dask, ray, found 'spark'"):
        runners.runner()


def test_a_runner_is_chosen_for_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a flow, the block's submissions go there; what the environment says holds again afterwards."""
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    monkeypatch.delenv(runners.KIND, raising=False)
    begun: list[str] = []

    class Noted(ThreadPoolTaskRunner):
        def __enter__(self) -> Noted:
            begun.append(runners.kind())
            return super().__enter__()

    monkeypatch.setitem(runners.RUNNERS, "dask", Noted)

    def now() -> tuple[str, str]:
        context = FlowRunContext.get()
        assert context is not None
        return runners.kind(), type(context.task_runner).__name__

    @flow(name="chosen by the one around", persist_result=False)
    def inside(name: str | None) -> tuple[str, str]:
        with runners.chosen(name):
            return now()

    @flow(name="choosing", persist_result=False)
    def choosing() -> list[tuple[str, str]]:
        seen = [now()]
        with runners.chosen(None), runners.chosen("threads"):
            seen.append(now())
        with runners.chosen("dask"):
            seen += [now(), inside(None), inside("dask")]
        return [*seen, now(), inside(None)]

    threads, dask = ("threads", "ThreadPoolTaskRunner"), ("dask", "Noted")
    assert choosing() == [threads, threads, dask, dask, dask, threads, threads]
    assert begun == ["dask"]  # once: a flow inside shares it
