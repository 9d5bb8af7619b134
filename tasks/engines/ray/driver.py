"""The process that is Ray's driver: runs the jobs of a run, and tells what its workers do.

It is a process of its own as Ray ends its driver when the cluster goes away. Started with the number of a
connection to the run, from which it takes jobs until that is closed.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from components.errors import AntiphonError, ConfigError
from tasks.engines.ray import probe
from tasks.engines.ray.board import MAX_ATTEMPTS, Board
from tasks.engines.ray.job_room import JobRoom
from tasks.engines.ray.loading import build_on_worker
from tasks.engines.ray.messages import Event, Job, LoadJob, Message, SegmentJob
from tasks.engines.ray.node_actor import NodeActor
from tasks.engines.ray.pools import Machine, Pool, count_blocks

_POLL_SECONDS = 0.3
"""Seconds between two looks at what workers have done."""
_STUCK_SECONDS = 15.0
"""Seconds without anything at work after which a lost machine is taken for the reason."""
_LOCAL_OBJECTS = 256 * 2**20
"""Bytes of Ray's object store where it is started here: rows are small, everything else is in ours."""
_PROBE_SECONDS = 60.0
"""Seconds that machines of a cluster have to say what they have of Antiphon."""
_ray: Any = ray
"""Untyped: what Ray declares of itself does not cover what it takes."""


def main(descriptor: int) -> None:
    """Run jobs until the connection ends."""
    connection = Connection(descriptor)
    driver = _Driver(connection)
    try:
        driver.connect()
    except AntiphonError as error:
        driver.tell(Event(-1, "lost", error=type(error).__name__, message=str(error)))
        return
    driver.tell(Event(-1, "connected"))
    try:
        driver.serve()
    finally:
        ray.shutdown()


class _Driver:
    """The jobs of a run."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._boards: dict[int, Any] = {}
        self._last_moves: dict[int, float] = {}
        self._machines: set[str] = set()
        self._room = JobRoom(_list_machines)
        self._is_halted = False

    def tell(self, event: Event) -> None:
        """Tell the run something."""
        with self._sending:
            self._connection.send(event)

    def connect(self) -> None:
        """Connect with the cluster of ``RAY_ADDRESS``, or start one here.

        Raises:
            ConfigError: there is none, or its Python, Ray or Antiphon is another.
        """
        logging.getLogger("ray").setLevel(logging.ERROR)
        address = os.environ.get("RAY_ADDRESS")
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
        # Of its own: without an address Ray would look for a cluster that somebody else started here.
        local = {"address": "local", "include_dashboard": False, "object_store_memory": _LOCAL_OBJECTS}
        try:
            ray.init(**quiet, **({"address": address} if address else local))  # type: ignore[arg-type]
        except Exception as error:
            raise _describe_refusal(address, error) from error
        if address:
            _check_installations()
        self._machines = _list_alive()
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_consecutive_actor_init_deaths = 10  # of machines that are lost
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)

    def serve(self) -> None:
        """Do what the run says, until it says no more."""
        with suppress(EOFError, OSError):
            while True:
                message: Message = self._connection.recv()
                sort, job = message
                if sort == "close":
                    return
                if sort == "halt":
                    self._is_halted = True
                    for board in list(self._boards.values()):
                        board.halt.remote()
                if sort == "run":
                    threading.Thread(target=self._run, args=(job,), daemon=True).start()
        os._exit(1)  # the run has died: Ray ends what this process has started

    def _run(self, job: Job) -> None:
        ended = Event(job.number, "ended")
        try:
            if isinstance(job, LoadJob):
                self._load(job)
            else:
                with self._room.take({step.name: step.demand for step in job.steps}) as pools:
                    self._run_job(job, pools)
        except AntiphonError as error:
            ended = Event(job.number, "failed", error=type(error).__name__, message=str(error))
        except Exception as error:
            trace = "".join(traceback.format_exception(error)).strip()
            ended = Event(job.number, "failed", message=trace)
        with suppress(OSError):  # the run has ended meanwhile
            self.tell(ended)

    def _run_job(self, job: SegmentJob, pools: Mapping[str, Pool]) -> None:
        """Run a job; events of its workers are told while it runs."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        for_ever: Any = {"max_restarts": -1, "max_task_retries": -1}
        board: Any = _ray.remote(num_cpus=0, scheduling_strategy=here, **for_ever)(Board).remote()
        self._boards[job.number] = board
        if self._is_halted:
            board.halt.remote()
        ended = threading.Event()
        self._last_moves[job.number] = time.monotonic()
        watcher = threading.Thread(target=self._watch, args=(job.number, board, ended), daemon=True)
        watcher.start()
        try:
            for _ in _make_dataset(job, pools, board).iter_rows():
                pass
        finally:
            ended.set()
            watcher.join()
            del self._boards[job.number], self._last_moves[job.number]
            ray.kill(board)

    def _load(self, job: LoadJob) -> None:
        """Have the shards of a data set built by workers; each is told when it is stored."""
        build: Any = _ray.remote(num_cpus=1, max_retries=MAX_ATTEMPTS - 1)(build_on_worker)
        pending = {build.remote(job.store, job.folder, rows): n for n, rows in enumerate(job.shards)}
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            try:
                header, has_audio = ray.get(done)
            except RayTaskError as error:
                raise error.cause from error
            except RayError as error:
                raise AntiphonError(
                    f"data: expected its rows to be opened, found that {MAX_ATTEMPTS} processes ended while "
                    f"they did ({_first_line(error)}); a machine may lack memory for a recording"
                ) from error
            size = (0.0, float(has_audio))
            self.tell(Event(job.number, "shard", number=pending.pop(done), header=header, size=size))

    def _watch(self, number: int, board: Any, ended: threading.Event) -> None:
        """Tell what workers do, until the job has ended."""
        is_last = False
        while not is_last:
            is_last = ended.wait(_POLL_SECONDS)
            events, machines = ray.get(board.take.remote())
            for event in events:
                self.tell(event)
            self._begin_anew_if_stuck(number, is_at_work=bool(events or machines & _list_alive()))

    def _begin_anew_if_stuck(self, number: int, *, is_at_work: bool) -> None:
        """Ask for another driver where a lost machine leaves no room for the pools that there were.

        Its pools are those for the machines that are left. Nothing is at work meanwhile, so nothing is lost.
        """
        now = time.monotonic()
        if is_at_work:
            self._last_moves[number] = now
        is_stuck = all(now - moved > _STUCK_SECONDS for moved in list(self._last_moves.values()))
        if is_stuck and not self._is_halted and self._machines - _list_alive():
            self.tell(Event(-1, "restart"))
            os._exit(0)


def _make_dataset(job: SegmentJob, pools: Mapping[str, Pool], board: Any) -> ray.data.Dataset:
    blocks = count_blocks(len(job.rows), sum(pools[step.name].size for step in job.steps))
    rows = [{"row": row} for row in job.rows]
    data: ray.data.Dataset = ray.data.from_items(rows, override_num_blocks=blocks)
    for step in job.steps:
        pool = pools[step.name]
        data = data.map_batches(
            NodeActor,
            fn_constructor_args=(job.number, step, board),
            batch_size=1,
            num_cpus=pool.cpus,
            num_gpus=pool.gpus or None,
            compute=ActorPoolStrategy(size=pool.size),
        )
    return data


def _list_alive() -> set[str]:
    """Return Ray's names of the machines of the cluster."""
    return {node["NodeID"] for node in _ray.nodes() if node["Alive"]}


def _list_machines() -> list[Machine]:
    """Return what the machines of the cluster have."""
    nodes = [node["Resources"] for node in _ray.nodes() if node["Alive"]]
    return [Machine(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes]


def _check_installations() -> None:
    """Compare Python and Antiphon of each machine with this one's; ConfigError where one differs."""
    _ray.cloudpickle.register_pickle_by_value(probe)  # a machine without Antiphon could not import it
    ask: Callable[..., Any] = _ray.remote(num_cpus=0)(probe.describe_installation).options
    asked = [
        ask(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in _ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0.0)
    ]
    try:
        answers: Sequence[dict[str, str]] = ray.get(asked, timeout=_PROBE_SECONDS)
    except RayError as error:
        raise ConfigError(
            "ray: expected every machine of the cluster to say what it has installed, found "
            f"{_first_line(error)}"
        ) from error
    compare_installations(probe.describe_installation(), answers)


def compare_installations(expected: Mapping[str, str], answers: Sequence[Mapping[str, str]]) -> None:
    """Compare what machines of a cluster have installed with what is expected.

    Raises:
        ConfigError: Python or Antiphon differs.
    """
    for answer in answers:
        for name in ("Python", "Antiphon"):
            if answer[name] != expected[name]:
                raise ConfigError(
                    f"ray: expected {name} {expected[name]} on every machine of the cluster, as here, found "
                    f"{answer[name]} on {answer['host']}: install the same there, and start the cluster again"
                )


def _describe_refusal(address: str | None, error: Exception) -> ConfigError:
    """Return an error of one line for a cluster that cannot be used."""
    text = str(error)
    if "Version mismatch" in text:
        versions = re.findall(r"(Ray|Python): (\S+)", text)
        names = " ".join(f"{name} {number}" for name, number in versions[:2])
        here = " ".join(f"{name} {number}" for name, number in versions[2:4])
        return ConfigError(f"ray: expected a cluster with {here}, as here, found {names} at {address}")
    if address:
        return ConfigError(
            f"ray: expected a cluster at {address} (RAY_ADDRESS), found {_first_line(error)}: start it, or "
            "set RAY_AUTH_MODE and the token as it has them"
        )
    return ConfigError(f"ray: expected to start Ray on this machine, found {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main(int(sys.argv[1]))
