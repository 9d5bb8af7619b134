"""Options and results of every task: the store keeps outputs and decides about reuse, Prefect shows.

A result that Prefect stores names its own deserialiser, so a writable result store is code execution;
Prefect's cache keys miss nested code. Both are off.
"""

from __future__ import annotations

from typing import Any, ParamSpec, TypedDict, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.run_record import StageRef

P = ParamSpec("P")
R = TypeVar("R")


class _Options(TypedDict):
    persist_result: bool
    cache_policy: CachePolicy


NOT_STORED = _Options(persist_result=False, cache_policy=NO_CACHE)
"""Options of every task."""


def label_task(task: Task[P, R], label: str) -> Task[P, R]:
    """Return a task whose runs carry the name of the system that they are of, as those of its nodes do."""
    return task.with_options(task_run_name=f"{label}--{task.name}") if label else task


def as_prefect_state(ref: StageRef | None) -> StageRef | State[Any]:
    """Return a stage's reference for Prefect, in a state named 'Reused' if nothing was computed.

    None stands for a stage that had nothing to do; its state is named 'Skipped'.
    """
    if ref is None:
        return Completed(name="Skipped", message="nothing to do", data=None)
    if not ref.reused:
        return ref
    return Completed(name="Reused", message=f"from {ref.key[:12]}…", data=ref)


def unwrap(returned: Any) -> Any:
    """Return the value of a call of a task or a flow, which may have returned it inside a state."""
    return returned.result() if isinstance(returned, State) else returned
