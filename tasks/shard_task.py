"""One shard of a node as a task.

It is alone in its file: what a task's function refers to is sent to a cluster with it, and much of what
computes, a table of kinds with its lock for one, cannot be.
"""

from __future__ import annotations

from prefect import task

from tasks import job as jobs
from tasks import shard
from tasks.options import NOT_STORED, transient


@task(
    name="shard",
    task_run_name="{node} {number}",
    retries=2,
    retry_delay_seconds=1,
    retry_condition_fn=transient,
    **NOT_STORED,
)
def compute_shard(node: str, number: int, job: jobs.Job, payload: str) -> jobs.Shard:
    """Compute the items of one packed shard."""
    return shard.compute(node, number, job, payload)
