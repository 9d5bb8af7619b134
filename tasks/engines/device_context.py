"""Contexts in which torch computes: the device's lock, threads, the shard's seed, the cached component."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from components.compute.device import seed_device, use_threads
from components.compute.profiling import measure_card
from components.nodes.node_context import Component
from tasks.engines.component_cache import get_component
from tasks.engines.node_job import NodeJob
from tasks.engines.plan_check import check_plan


def _hold_device(job: NodeJob) -> AbstractContextManager[None]:
    if job.owns_device:
        return nullcontext()
    from tasks.gpu_lock import lock_device  # noqa: PLC0415 - imports Prefect, which Ray's workers do without

    return lock_device(job.device)


@contextmanager
def shard_context(
    job: NodeJob, key: str, build: Callable[[], Component], files: Mapping[str, str]
) -> Iterator[Component]:
    """Give the component of a job, ready for the shard of that key; it is alone on its device.

    Random numbers follow from the run's seed and the shard's key, wherever in a data set the shard is.
    """
    with _hold_device(job), use_threads(job.threads):
        component = get_component(job.plan, (job.settings, job.context.seed), job.context.store, build, files)
        seed_device(job.device, (job.context.seed + int(key[:8], 16)) % 2**32)
        yield component


@contextmanager
def whole_stage_context(job: NodeJob, files: Mapping[str, str]) -> Iterator[None]:
    """Hold device and process for a stage that is made whole, and check its models and files afterwards."""
    from tasks.gpu_lock import lock_device  # noqa: PLC0415 - as above

    with lock_device(job.device, alone=True), measure_card(job.device):
        yield
    check_plan(
        job.plan, job.context.store, files
    )  # afterwards: what changed while it was read is noticed as well
