"""The computation of one shard of a node, on any machine: packed items in, the lines that are stored out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.compute.profiling import measure_card, measure_cost
from components.nodes.kinds import KINDS
from components.nodes.node_context import Component, Item
from components.pipeline.item_gatherer import id_of
from components.records import NodeOutcome, Quarantined
from components.storage.stages.window_journal import keep_windows
from tasks.execution.plan_check import check_plan
from tasks.execution.shards.shard_job import ShardJob, ShardResult


def compute_packed(node: str, number: int, job: ShardJob, payload: str, journal: str) -> ShardResult:
    """Compute the items of one packed shard.

    Args:
        node: its name, for messages.
        number: of the shard.
        job: the node's plan, settings and site.
        payload: the packed items.
        journal: path of the file that keeps windows of recordings as they are decoded.
    """
    kind = KINDS[job.plan.kind]
    settings = kind.settings.model_validate_json(job.settings)
    facts = kind.facts(settings)
    items = [Item.model_validate_json(line) for line in payload.split("\n")]
    if "torch" not in job.plan.libraries:
        component = kind.build(settings, job.context)
        check_plan(job.plan, job.context.store, facts.files)
        return _compute_checked(node, component, items, filters=facts.may_drop)
    from tasks.execution.shards.device_context import shard_context  # noqa: PLC0415 - imports torch

    with shard_context(job, number, lambda: kind.build(settings, job.context), facts.files) as component:
        with keep_windows(Path(journal)) as kept:
            result = _compute_checked(node, component, items, filters=facts.may_drop, device=job.device)
        return result._replace(seconds=result.seconds + kept.recalled_seconds)


def _compute_checked(
    node: str, component: Component, items: Sequence[Item], *, filters: bool, device: str = "cpu"
) -> ShardResult:
    """Return the outcomes of a component, after a check that it answered for each item, in order.

    Raises:
        RuntimeError: it did not; this is a fault of the component, not of the data.
    """
    with measure_cost() as cost, measure_card(device):
        outcomes = list(component(items))
    expected = [item.utterance.id for item in items]
    answered = [
        key if outcome is None and filters else None if outcome is None else id_of(outcome)
        for key, outcome in zip(expected, outcomes, strict=False)
    ]
    if expected != answered or len(outcomes) != len(items):
        raise RuntimeError(f"{node}: expected outcomes for {expected}, in this order, found {answered}")
    stored = [outcome for outcome in outcomes if outcome is not None]
    return ShardResult(
        [_to_json(outcome) for outcome in stored if not isinstance(outcome, Quarantined)],
        [_to_json(outcome) for outcome in stored if isinstance(outcome, Quarantined)],
        cost.seconds,
        cost.peak_memory_bytes,
        cost.batch_size,
        cost.usage or None,
        cost.card_memory or None,
    )


def _to_json(outcome: NodeOutcome) -> str:
    return outcome.model_dump_json(exclude_defaults=True)
