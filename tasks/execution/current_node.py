"""The node that a thread computes: its stage, what the other nodes are told, and what is published."""

from __future__ import annotations

from contextvars import ContextVar

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed

from components.run_record import StageRef
from reports.terminal.node_progress import NodeEnd
from tasks.engines.run_coordinator import BlockedError, HaltedError, Status
from tasks.execution.node_artifacts import publish_node
from tasks.execution.node_run import NodeRun
from tasks.progress import show_end
from tasks.task_options import as_prefect_state

CURRENT_NODE: ContextVar[NodeRun] = ContextVar("node at work")
"""The node that this thread computes."""


def compute_current_node() -> StageRef | State[StageRef | None]:
    """Compute the node of this thread, tell the other nodes of the run, and publish its stage."""
    run = CURRENT_NODE.get()
    name, coordinator = run.node.name, run.coordinator
    try:
        ref = run.compute()
    except HaltedError as error:
        coordinator.fail(name, error)
        return Cancelled(message="the run was stopped; finished shards are kept")
    except BlockedError as error:
        coordinator.fail(name, error)
        show_end(NodeEnd(name, "blocked", error=str(error)))
        return Failed(name="Blocked", message=str(error))
    except BaseException as error:
        coordinator.fail(name, error)
        show_end(NodeEnd(name, "failed", error=" ".join(str(error).split()) or type(error).__name__))
        raise
    if ref is None:
        stands_for = run.node.of[-1] if run.all_idle else ""
        coordinator.finish(
            name, coordinator.ref(stands_for) if coordinator.is_finished(stands_for) else None, "skipped"
        )
        show_end(NodeEnd(name, "skipped"))
        return as_prefect_state(None)
    status: Status = "reused" if ref.reused else "computed"
    coordinator.finish(name, ref, status)
    show_end(NodeEnd(name, status, run.progress, ref.items, ref.quarantined, seconds=ref.seconds))
    publish_node(run.pipeline, run.node, ref, run.data_sets, run.find_first_text())
    return as_prefect_state(ref)
