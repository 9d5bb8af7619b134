"""Task runners: shards are computed in threads of this process, or by the workers of a Dask or Ray cluster.

The parameter ``runner`` of a flow says which, else ``ANTIPHON_RUNNER`` (threads, dask, ray). Where the
machines are is not a matter of a flow's parameters, so the environment says it (a work pool's job variables,
say): ``ANTIPHON_CLUSTER`` (the address of a running scheduler; without it a cluster on this machine, for as
long as the flow runs) and ``ANTIPHON_WORKERS`` (its workers, two unless set). Outputs and keys are the same
whoever computes: shards are fixed slices, each with its own seed, and are appended in their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from components.compute.machine import list_cards, resolve_device_type
from components.errors import ConfigError
from components.text.suggestions import did_you_mean

KIND, CLUSTER, WORKERS = "ANTIPHON_RUNNER", "ANTIPHON_CLUSTER", "ANTIPHON_WORKERS"


_RUNNER_NAME: ContextVar[str | None] = ContextVar("chosen runner", default=None)
_RUNNER: ContextVar[TaskRunner[Any] | None] = ContextVar("the chosen runner itself", default=None)


def runner_name() -> str:
    """Return the name of the runner in use: the flow's, else the environment's.

    Raises:
        ConfigError: it is no row of RUNNERS.
    """
    name = _RUNNER_NAME.get() or os.environ.get(KIND) or "threads"
    if name not in RUNNERS:
        hint = did_you_mean(name, RUNNERS)
        raise ConfigError(f"{KIND}: expected one of {', '.join(RUNNERS)}, found {name!r}{hint}")
    return name


def count_workers() -> int:
    """Return how many workers compute at once: 1 with threads, whose models take turns.

    Raises:
        ConfigError: ANTIPHON_WORKERS is no number from 1 to 10,000.
    """
    if runner_name() == "threads":
        return 1
    text = os.environ.get(WORKERS) or "2"
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise ConfigError(f"{WORKERS}: expected a number from 1 to 10,000, found {text!r}")
    return int(text)


def max_in_flight() -> int:
    """Return how many shards are in flight: one with threads, else two per worker, so that none waits."""
    return 1 if runner_name() == "threads" else 2 * count_workers()


def make_runner() -> TaskRunner[Any]:
    """Return the task runner that every flow is declared with.

    Raises:
        ConfigError: its extra is not installed.
    """
    return RUNNERS[runner_name()]()


@contextmanager
def use_runner(name: str | None) -> Iterator[None]:
    """Submit the shards of the block to the runner ``name``, which is started for it.

    None, or the runner that the flow has by the environment, changes nothing; but a flow that is called in
    the block of another (a system of a comparison) shares that one's.

    Raises:
        ConfigError: the extra of ``name`` is not installed.
    """
    flow, around = FlowRunContext.get(), _RUNNER.get()
    if flow is not None and around is not None and name in (None, _RUNNER_NAME.get()):
        with flow.model_copy(update={"task_runner": around}):
            yield
        return
    if name is None or name == runner_name() or flow is None:
        yield
        return
    before = _RUNNER_NAME.set(name)
    try:
        with RUNNERS[name]() as started, flow.model_copy(update={"task_runner": started}):
            whose = _RUNNER.set(started)
            try:
                yield
            finally:
                _RUNNER.reset(whose)
    finally:
        _RUNNER_NAME.reset(before)


_NUMBERS_OF_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_DASK_ENVIRONMENT: dict[str, int | None] = {
    # Workers would give every freed tensor back to the system, which made Whisper take 1.5 times as long.
    "pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # What is set before a worker starts stays set in this process, and in all that it starts later: stages
    # would have other keys there. So threads are set in the worker itself.
    **{f"pre-spawn-environ.{name}": None for name in _NUMBERS_OF_THREADS},
    **{f"environ.{name}": 1 for name in _NUMBERS_OF_THREADS},
}
"""Environment of the workers of a local Dask cluster; None leaves a variable of Dask's own out."""


def _make_dask_runner() -> TaskRunner[Any]:
    try:
        import dask  # noqa: PLC0415 - an extra
        from distributed import SpecCluster  # noqa: PLC0415 - an extra

        from tasks.dask_cluster import OneClusterDaskRunner  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing_extra_error("dask") from error
    if address := os.environ.get(CLUSTER):
        return OneClusterDaskRunner(address=address)
    dask.config.set({f"distributed.nanny.{setting}": value for setting, value in _DASK_ENVIRONMENT.items()})
    if cards := list_cards():
        workers = _specify_workers(count_workers(), cards)
        return OneClusterDaskRunner(cluster_class=SpecCluster, cluster_kwargs=workers)
    # One thread for each worker: a model computes for one shard at a time.
    local = {"n_workers": count_workers(), "threads_per_worker": 1, "dashboard_address": None}
    return OneClusterDaskRunner(cluster_kwargs=local)


def _specify_workers(number: int, cards: Sequence[str]) -> dict[str, Any]:
    """Return a local Dask cluster whose first workers see one card each, and offer it to shards.

    Args:
        number: of workers, each with one thread.
        cards: what ``CUDA_VISIBLE_DEVICES`` is in the worker of each.
    """
    from distributed import Nanny, Scheduler  # noqa: PLC0415 - an extra

    here = {"host": "127.0.0.1"}
    workers = {}
    for index in range(number):
        card = cards[index] if index < len(cards) else None
        own = {"resources": {"GPU": 1}, "env": {"CUDA_VISIBLE_DEVICES": card}} if card is not None else {}
        workers[index] = {"cls": Nanny, "options": {**here, "nthreads": 1, **own}}
    scheduler = {"cls": Scheduler, "options": {**here, "dashboard_address": None, "dashboard": False}}
    return {"workers": workers, "scheduler": scheduler}


def _make_ray_runner() -> TaskRunner[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    address = os.environ.get(CLUSTER)
    if not address:
        # On 127.0.0.1, not on all interfaces. Ray reads this when it is imported; asked for that address
        # (_node_ip_address) it takes the machine's instead.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        from tasks.ray_cards import CardRayTaskRunner  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing_extra_error("ray") from error
    # Of its own: without an address Ray would look for a cluster that somebody else started here.
    local = {"address": "local", "num_cpus": count_workers(), "include_dashboard": False}
    settings = {"address": address} if address else {"init_kwargs": local}
    return CardRayTaskRunner(max_cards=count_workers(), **settings)


def _missing_extra_error(extra: str) -> ConfigError:
    return ConfigError(
        f"runner {extra}: expected the package prefect-{extra}, found none; pip install 'antiphon[{extra}]'"
    )


RUNNERS: dict[str, Callable[[], TaskRunner[Any]]] = {
    "threads": ThreadPoolTaskRunner,
    "dask": _make_dask_runner,
    "ray": _make_ray_runner,
}


@contextmanager
def request_gpu(device: str) -> Iterator[None]:
    """Request one GPU for the shard that is submitted in the block, where its component computes on one.

    Dask workers offer theirs with ``--resources GPU=1``; on Ray they are computed by one process for each
    card (:mod:`tasks.ray_cards`). A Ray worker without a card stays for further shards, too
    (``max_calls=0``), or each would load its models again.

    Args:
        device: as it is set (auto, cpu, cuda:0 ...).
    """
    wants_gpu = runner_name() != "threads" and resolve_device_type(device) == "cuda"
    with ExitStack() as stack:
        if runner_name() != "threads" and not PREFECT_API_URL.value():
            from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - 1.5 s

            # What a process submits is sent with its settings: without this, each worker starts a server.
            url = SubprocessASGIServer().api_url  # the one that this process runs on
            stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
        if runner_name() == "ray":
            from prefect_ray.context import remote_options  # noqa: PLC0415 - an extra

            gpus = {"num_gpus": 1} if wants_gpu else {}
            stack.enter_context(remote_options(num_cpus=1, max_calls=0, **gpus))
        if runner_name() == "dask" and wants_gpu:
            from dask.base import annotate  # noqa: PLC0415 - an extra

            stack.enter_context(annotate(resources={"GPU": 1}))
        yield
