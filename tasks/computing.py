"""Where torch computes: the device's turn, its threads, the shard's seed, the resident component."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from components.device import on_threads, seed_everything
from components.nodes.kind import Component
from tasks.building import component_of
from tasks.job import Job
from tasks.plan_check import check
from tasks.slots import device_slot


@contextmanager
def computing(
    job: Job, number: int, build: Callable[[], Component], files: Mapping[str, str]
) -> Iterator[Component]:
    """The component of a job, ready for shard ``number``: built once in this process, alone on its device."""
    with device_slot(job.device), on_threads(job.threads):
        component = component_of(job.plan, (job.settings, job.site.seed), job.site.store, build, files)
        seed_everything(job.site.seed + number)
        yield component


@contextmanager
def making(job: Job, files: Mapping[str, str]) -> Iterator[None]:
    """What is made whole: alone on its device, and of the models and files of its plan."""
    with device_slot(job.device):
        yield
    check(job.plan, job.site.store, files)  # afterwards: what changed while it was read is noticed as well
