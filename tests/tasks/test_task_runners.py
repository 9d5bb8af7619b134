"""Threads, a Dask cluster and a Ray cluster of two nodes compute the same keys and the same bytes."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow, task
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from components.errors import ConfigError
from components.run_record import StageRef
from tasks import task_runners
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
    """The stage, the shards by worker and the loads by worker."""
    folder.mkdir(exist_ok=True)
    calls = Path(os.environ["SHOUT_CALLS"])  # the same as when workers began
    calls.unlink(missing_ok=True)
    ref = shouting.with_options(task_runner=task_runners.make_runner())(str(folder))
    noted = [line.split() for line in calls.read_text("utf-8").splitlines()]
    return ref, *(Counter(pid for what, pid in noted if what == kind) for kind in ("shard", "load"))


def same(one: StageRef, other: StageRef) -> None:
    assert (one.key, one.sha256) == (other.key, other.sha256)
    for name in ("outputs.jsonl", "errors.jsonl"):
        assert (Path(one.path) / name).read_bytes() == (Path(other.path) / name).read_bytes()


def test_dask(by_threads: StageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    monkeypatch.setenv(task_runners.KIND, "dask")
    ref, shards, loads = run(tmp_path)
    same(by_threads, ref)
    assert (len(shards), shards.total()) == (2, 10)
    assert loads == dict.fromkeys(shards, 1)  # the model stays in its worker


def test_nodes_that_submit_at_once_share_one_dask_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread is the first; and Dask's log of every connection is not shown."""
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    started: list[int] = []

    class Slow(AbstractContextManager["Slow"]):
        dashboard_link = ""

        def __exit__(self, *_: object) -> None: ...

        def __init__(self, *_: object, **settings: object) -> None:
            if "n_workers" in settings:
                started.append(1)
                time.sleep(0.1)

    monkeypatch.setattr("distributed.LocalCluster", Slow)
    monkeypatch.setattr("prefect_dask.task_runners.PrefectDaskClient", Slow)
    monkeypatch.setenv(task_runners.KIND, "dask")
    runner: Any = task_runners.make_runner()
    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(lambda: runner.client) for _ in range(3)]
    assert len({client.result() for client in clients}) == len(started) == 1
    assert not logging.getLogger("distributed.core").isEnabledFor(logging.INFO)


def test_dask_workers_of_this_machine_keep_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    import dask

    monkeypatch.setenv(task_runners.KIND, "dask")
    task_runners.make_runner()
    assert dask.config.get("distributed.nanny.pre-spawn-environ")["MALLOC_TRIM_THRESHOLD_"] is None


def test_ray_with_two_nodes_one_of_them_with_two_cards(
    by_threads: StageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("prefect_ray", reason="needs the extra ray")
    task_runners.RUNNERS["ray"]()  # as a run does: what Ray reads when it is imported is set before
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "num_gpus": 2, "include_dashboard": False}  # Ray does not look for the cards
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        monkeypatch.setenv(task_runners.KIND, "ray")
        monkeypatch.setenv(task_runners.CLUSTER, cluster.address)
        ref, shards, loads = run(tmp_path / "plain")
        monkeypatch.setattr(task_runners, "resolve_device_type", lambda device: "cuda")
        ref_of_cards, shards_of_cards, loads_of_cards = run(tmp_path / "cards")
    finally:
        cluster.shutdown()
    same(by_threads, ref)
    assert list(shards.values()) == [10] and list(loads.values()) == [1]
    # Both cards of the one node work, each with a process of its own that keeps its model.
    same(by_threads, ref_of_cards)
    assert sorted(worker.partition("/")[2] for worker in shards_of_cards) == ["0", "1"]
    assert shards_of_cards.total() == 10 and loads_of_cards == dict.fromkeys(shards_of_cards, 1)


def test_what_is_submitted_names_the_server_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PREFECT_API_URL names none, or each worker would start one."""
    own = SimpleNamespace(api_url="http://127.0.0.1:8765/api")
    monkeypatch.setattr("prefect.server.api.server.SubprocessASGIServer", lambda: own)
    for runner, named in (("threads", None), ("dask", own.api_url)):
        monkeypatch.setenv(task_runners.KIND, runner)
        with temporary_settings(restore_defaults={PREFECT_API_URL}):
            with task_runners.request_gpu("cpu"):
                assert PREFECT_API_URL.value() == named
            assert PREFECT_API_URL.value() is None


def test_a_shard_for_a_gpu_goes_to_the_worker_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of this machine have one card each, as far as there are cards."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    monkeypatch.setattr(task_runners, "list_cards", lambda: ["7"])
    monkeypatch.setattr(task_runners, "resolve_device_type", lambda device: "cuda")

    @task(persist_result=False)
    def where() -> str:
        return os.environ.get("CUDA_VISIBLE_DEVICES", "")

    @flow(name="placing", persist_result=False)
    def placing() -> set[str]:
        with task_runners.request_gpu("auto"):
            futures = [where.submit() for _ in range(6)]
        return {future.result() for future in futures}

    monkeypatch.setenv(task_runners.KIND, "dask")
    assert placing.with_options(task_runner=task_runners.make_runner())() == {"7"}


def test_what_the_environment_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(task_runners.KIND, raising=False)
    assert (task_runners.runner_name(), task_runners.count_workers(), task_runners.max_in_flight()) == (
        "threads",
        1,
        1,
    )
    monkeypatch.setenv(task_runners.KIND, "dask")
    monkeypatch.setenv(task_runners.WORKERS, "3")
    assert (task_runners.count_workers(), task_runners.max_in_flight()) == (3, 6)
    monkeypatch.setenv(task_runners.WORKERS, "many")
    with pytest.raises(
        ConfigError, match="ANTIPHON_WORKERS: expected a number from 1 to 10,000, found 'many'"
    ):
        task_runners.max_in_flight()
    monkeypatch.setenv(task_runners.KIND, "spark")
    with pytest.raises(ConfigError, match="expected one of threads, dask, ray, found 'spark'"):
        task_runners.make_runner()


def test_a_runner_is_chosen_for_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a flow, the block's submissions go there; what the environment says holds again afterwards."""
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    monkeypatch.delenv(task_runners.KIND, raising=False)
    begun: list[str] = []

    class Noted(ThreadPoolTaskRunner):
        def __enter__(self) -> Noted:
            begun.append(task_runners.runner_name())
            return super().__enter__()

    monkeypatch.setitem(task_runners.RUNNERS, "dask", Noted)

    def now() -> tuple[str, str]:
        context = FlowRunContext.get()
        assert context is not None
        return task_runners.runner_name(), type(context.task_runner).__name__

    @flow(name="chosen by the one around", persist_result=False)
    def inside(name: str | None) -> tuple[str, str]:
        with task_runners.use_runner(name):
            return now()

    @flow(name="choosing", persist_result=False)
    def choosing() -> list[tuple[str, str]]:
        seen = [now()]
        with task_runners.use_runner(None), task_runners.use_runner("threads"):
            seen.append(now())
        with task_runners.use_runner("dask"):
            seen += [now(), inside(None), inside("dask")]
        return [*seen, now(), inside(None)]

    threads, dask = ("threads", "ThreadPoolTaskRunner"), ("dask", "Noted")
    assert choosing() == [threads, threads, dask, dask, dask, threads, threads]
    assert begun == ["dask"]  # once: a flow inside shares it


@pytest.mark.parametrize("extra", ["dask", "ray"])
def test_a_runner_whose_package_is_absent_says_what_to_install(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setitem(sys.modules, f"prefect_{extra}.task_runners", None)
    for module in ("tasks.dask_cluster", "tasks.ray_cards"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ConfigError, match=rf"prefect-{extra}, found none; pip install 'antiphon\[{extra}\]'"):
        task_runners.RUNNERS[extra]()
