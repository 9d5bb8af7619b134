"""Driving one stage over a data set: fixed shards through the task runner, appended in order.

At most ``ahead`` shards are in flight, so memory does not grow with the data set and the shards of a
resumed stage are those of an uninterrupted one. A run that is stopped keeps what lands in time: after SIGTERM
(which is also how a worker cancels) whatever is done within ``GRACE`` seconds, before a suspension all that
is in flight.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import NamedTuple

import torch
from prefect._flow_run_suspension import FlowRunSuspensionRequest  # the type of a context's field
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture

from components.device import on_threads
from components.profiling import measure_cost
from components.records import NBest, Outcome, StageRef, Utterance
from components.storage.stage_plan import StagePlan
from components.storage.stage_writer import opened
from components.storage.store import Store
from tasks import runners
from tasks.progress import Progress

_SMALLEST = 32
_MOST = 200  # shards, so that a flow stays at a few hundred task runs
GRACE = 5.0
"""Seconds that shards in flight have after SIGTERM: half of what Docker gives, the rest is for the end."""


class Shard(NamedTuple):
    """What one shard came to, as the JSON lines that are stored, and its cost."""

    outputs: list[str]
    errors: list[str]
    seconds: float
    peak_memory_bytes: int


def shard_size(total: int) -> int:
    """Items per shard for ``total`` items: 32, more only if that made more than 200 shards."""
    return max(_SMALLEST, -(-total // _MOST))


def packed(utterances: Iterable[Utterance]) -> str:
    """Utterances as one string: cheap to hand to a task, on this machine or another.

    Its first line is the number of threads to compute with, which is this process's wherever it is done.
    """
    records = (utterance.model_dump_json(exclude_defaults=True) for utterance in utterances)
    return "\n".join((str(torch.get_num_threads()), *records))


def compute(stage: str, payload: str, component: Callable[[Sequence[Utterance]], list[Outcome]]) -> Shard:
    """Run a component on a packed shard and check that it answered for each utterance, in order.

    Raises:
        RuntimeError: it did not; this is a fault of the component, not of the data.
    """
    threads, *records = payload.split("\n")
    utterances = [Utterance.model_validate_json(line) for line in records]
    with on_threads(int(threads)), measure_cost() as cost:
        outcomes = component(utterances)
    given = [utterance.id for utterance in utterances]
    answered = [outcome.utterance_id for outcome in outcomes]
    if given != answered:
        raise RuntimeError(f"stage {stage}: expected outcomes for {given}, in this order, found {answered}")
    return Shard(
        [o.model_dump_json(exclude_defaults=True) for o in outcomes if isinstance(o, NBest)],
        [o.model_dump_json(exclude_defaults=True) for o in outcomes if not isinstance(o, NBest)],
        cost.seconds,
        cost.peak_memory_bytes,
    )


def run_shards(
    store: Store,
    plan: StagePlan,
    inputs: Callable[[], Iterator[Utterance]],
    total: int,
    submit: Callable[[str, int], PrefectFuture[Shard]],
    ahead: int | None = None,
) -> StageRef:
    """Compute a stage, or what is missing of it, and seal it; a finished stage is reused.

    Args:
        inputs: a fresh iterator over the stage's inputs, in their fixed order.
        total: their number, for the progress.
        submit: starts the task for one packed shard; the second argument is the shard's number.
        ahead: shards in flight; by default as many as keep the runner's workers busy.
    """
    with opened(store, plan) as writer:
        if writer.ref is not None:
            return writer.ref
        size, done = plan.shard_size, writer.shards_done
        progress = Progress(plan.stage, total, done=min(done * size, total))
        progress.begin(-(-total // size) - done)
        flying: deque[PrefectFuture[Shard]] = deque()
        most = runners.ahead() if ahead is None else ahead
        device = str(plan.parameters.get("device", "cpu"))

        def land(seconds: float | None = None) -> None:
            shard = flying[0].result(seconds)
            with _whole(flying):
                writer.append(
                    shard.outputs, shard.errors, seconds=shard.seconds, peak=shard.peak_memory_bytes
                )
                flying.popleft()
            progress.advance(len(shard.outputs) + len(shard.errors))
            # Prefect's future stands in a reference cycle, which is collected late: keep it light.
            shard.outputs.clear()
            shard.errors.clear()

        rest = islice(inputs(), done * size, None)
        with _suspended_between_shards() as suspension:
            try:
                for number, batch in enumerate(iter(lambda: tuple(islice(rest, size)), ()), start=done):
                    if suspension.is_requested():
                        break
                    with runners.placed(device):
                        flying.append(submit(packed(batch), number))
                    if len(flying) >= most:
                        land()
                while flying:
                    land()
            except TerminationSignal:
                deadline = time.monotonic() + GRACE
                with suppress(Exception):  # a shard that is late or failed: those before it are kept
                    while flying:
                        land(max(0.0, deadline - time.monotonic()))
                raise
            suspension.raise_if_requested()
        return writer.finish(utterance.id for utterance in inputs())


@contextmanager
def _whole(flying: deque[PrefectFuture[Shard]]) -> Iterator[None]:
    """After an append that was broken off nothing may be appended: the shards in flight are given up."""
    try:
        yield
    except BaseException:
        flying.clear()
        raise


@contextmanager
def _suspended_between_shards() -> Iterator[FlowRunSuspensionRequest]:
    """Gives the flow's request to suspend, and hides it from the shards that are submitted in the block.

    Prefect would throw away what a task has computed when it finds the request at the task's end.
    """
    flow = FlowRunContext.get()
    if flow is None:
        yield FlowRunSuspensionRequest()
        return
    with flow.model_copy(update={"flow_run_suspension_request": FlowRunSuspensionRequest()}):
        yield flow.flow_run_suspension_request
