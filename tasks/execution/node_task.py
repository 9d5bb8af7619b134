"""One node of a run as a Prefect task.

It has no parameter but its name, and is alone in its file: Prefect sends a task and its parameters to a
cluster with every shard, and the state of a run, with its locks, cannot be sent.
"""

from __future__ import annotations

from prefect import task
from prefect.client.schemas.objects import State

from components.run_record import StageRef
from tasks.execution import current_node
from tasks.task_options import NOT_STORED


@task(name="node", task_run_name="{name}", **NOT_STORED)
def compute_node(name: str) -> StageRef | State[StageRef | None]:
    """Compute the node of this thread."""
    return current_node.compute_current_node()
