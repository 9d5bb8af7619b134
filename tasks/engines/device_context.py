"""Contexts in which torch computes: the device's lock, threads, the shard's seed, the cached component."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from components.compute.device import seed_device, use_threads
from components.compute.model_cache import ModelCache, model_cache
from components.compute.profiling import measure_card
from components.nodes.node_context import Component
from components.storage.stages.stage_plan import StagePlan
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


T = TypeVar("T")
MAX_COMPONENTS = 4
"""Components that this process keeps; their models are the model cache's."""
_components = ModelCache(budget=lambda _: MAX_COMPONENTS, size=lambda _: {"components": 1})
model_cache.on_eviction(_components.clear)  # a component would hold models that the cache evicts


def get_component(
    plan: StagePlan,
    settings: Hashable,
    store_url: str | None,
    build: Callable[[], T],
    files: Mapping[str, str] | None = None,
) -> T:
    """Return the component of a stage, built once by this process.

    A name says nothing about the files behind it, which may change while a process lives, and may be others
    on another machine. So a component is kept under the key of its stage's plan, and when it is built the
    process makes sure that what it has is what the plan was made from.

    Args:
        plan: the stage's.
        settings: what ``build`` makes it from, besides the files whose digests are in the plan.
        store_url: URL of the store.
        build: makes the component.
        files: the plan's ``inputs`` that are files here, by name.

    Raises:
        StoreError: models, files, libraries or processor of this process are not those of the plan.
    """

    def build_checked() -> T:
        component = build()
        check_plan(
            plan, store_url, files or {}
        )  # afterwards: what changed while it was read is noticed as well
        return component

    return _components.get((plan.key, settings, store_url), build_checked)
