"""One shard of a node, on whatever machine computes it: packed items in, the lines that are stored out."""

from __future__ import annotations

from collections.abc import Sequence

from components.nodes.kind import Component, Item
from components.nodes.table import KINDS
from components.pipeline.gathering import id_of
from components.profiling import measure_cost
from components.records import NodeOutcome, Quarantined
from tasks.job import Job, Shard
from tasks.plan_check import check


def compute(node: str, number: int, job: Job, payload: str) -> Shard:
    """Compute the items of one packed shard."""
    kind = KINDS[job.plan.kind]
    settings = kind.settings.model_validate_json(job.settings)
    items = [Item.model_validate_json(line) for line in payload.split("\n")]
    if "torch" not in job.plan.libraries:
        component = kind.build(settings, job.site)
        check(job.plan, job.site.store, kind.files(settings))
        return _computed(node, component, items, filters=kind.filters)
    from tasks.computing import computing  # noqa: PLC0415 - imports torch

    with computing(job, number, lambda: kind.build(settings, job.site), kind.files(settings)) as component:
        return _computed(node, component, items, filters=kind.filters)


def _computed(node: str, component: Component, items: Sequence[Item], *, filters: bool) -> Shard:
    """The outcomes of a component, after a check that it answered for each item, in order.

    Raises:
        RuntimeError: it did not; this is a fault of the component, not of the data.
    """
    with measure_cost() as cost:
        outcomes = list(component(items))
    expected = [item.utterance.id for item in items]
    answered = [
        key if one is None and filters else None if one is None else id_of(one)
        for key, one in zip(expected, outcomes, strict=False)
    ]
    if expected != answered or len(outcomes) != len(items):
        raise RuntimeError(f"{node}: expected outcomes for {expected}, in this order, found {answered}")
    kept = [one for one in outcomes if one is not None]
    return Shard(
        [_json(one) for one in kept if not isinstance(one, Quarantined)],
        [_json(one) for one in kept if isinstance(one, Quarantined)],
        cost.seconds,
        cost.peak_memory_bytes,
    )


def _json(outcome: NodeOutcome) -> str:
    return outcome.model_dump_json(exclude_defaults=True)
