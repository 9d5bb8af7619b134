"""One shard of a node as a Prefect task.

It is alone in its file: what a task's function refers to is sent to a cluster with it, and much of what
computes, a table of kinds with its lock for one, cannot be.
"""

from __future__ import annotations

from prefect import task

from tasks.execution.shards import shard_computation
from tasks.execution.shards import shard_job as jobs
from tasks.task_options import NOT_STORED, is_transient


@task(
    name="shard",
    task_run_name="{node} {number}",
    retries=2,
    retry_delay_seconds=1,
    retry_condition_fn=is_transient,
    **NOT_STORED,
)
def compute_shard(node: str, number: int, job: jobs.ShardJob, payload: str, journal: str) -> jobs.ShardResult:
    """Compute the items of one packed shard."""
    return shard_computation.compute_packed(node, number, job, payload, journal)
