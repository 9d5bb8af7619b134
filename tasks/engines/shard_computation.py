"""The computation of one shard of a node, in any process: found in the store, or computed and stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from components.compute.profiling import Cost, measure_card, measure_cost
from components.compute.progress import report_share
from components.errors import StoreError, TransientError
from components.files.fault_reports import explain_faults
from components.nodes.kind import KINDS
from components.nodes.node_context import Component, Item
from components.pipeline.items.item_gatherer import check_outcomes
from components.pipeline.items.shard_items import read_items
from components.records import NodeOutcome
from components.storage.shards.shard import ShardHeader, encode_outcomes
from components.storage.stages.window_journal import keep_windows
from components.storage.store import Store
from tasks.engines.node_job import NodeJob, ShardWork
from tasks.engines.plan_check import check_plan

T = TypeVar("T")
_RETRY_SECONDS = (1.0, 5.0)
"""Seconds before a shard is computed again after an error that may pass."""
_log = logging.getLogger("antiphon.tasks")


def retry_transient(compute: Callable[[], T], wait: Callable[[float], object], node: str) -> T:
    """Return what is computed of a node, again after errors that may pass; ``wait`` waits so many seconds."""
    for seconds in _RETRY_SECONDS:
        try:
            return compute()
        except TransientError as error:
            _log.warning("%s: %s; trying again in %g s", node, error, seconds)
            wait(seconds)
    return compute()


def measure_items(items: Sequence[Item], *, speech: bool) -> tuple[float, float]:
    """Return the number of items, and seconds of their audio where speech measures the speed of a node."""
    recordings = [item.utterance.audio for item in items] if speech else []
    return float(len(items)), sum(audio.seconds for audio in recordings if audio is not None)


def compute_shard(
    store: Store,
    job: NodeJob,
    work: ShardWork,
    begin: Callable[[Sequence[Item]], object] = lambda items: None,
) -> ShardHeader:
    """Return the shard as it is stored; it is computed unless it is there, alone among all processes here.

    ``begin`` is called with its items before they are computed.
    """
    what = f"shard {work.number} of {job.context.name}"
    with store.backend.hold_local_lock(work.key, what):
        found = store.find_shard(work.key, work.read)
        if found is not None:  # another run has computed it meanwhile
            return found
        if work.read is None:
            raise StoreError(
                f"{what}: expected an equivalent shard {work.key[:12]}… that was stored when the run was "
                "planned, found it gone or damaged; run it again"
            )
        items = read_items(store.root, job.gatherer, work.data, work.sources)
        begin(items)
        with explain_faults(job.context.name, items):
            outcomes, cost = _compute_items(store, job, work, items) if items else ([], Cost())
        header, content = encode_outcomes(
            outcomes,
            audio_seconds=sum(item.utterance.audio.seconds for item in items if item.utterance.audio),
            key=work.key,
            stage=job.context.name,
            kind=job.plan.kind,
            fingerprint=job.plan.fingerprint,
            read=dict(work.read or {}),
            alike=work.alike,
            seconds=round(cost.seconds, 6),
            peak_memory_bytes=cost.peak_memory_bytes,
            batch_size=cost.batch_size,
            usage=cost.usage,
            card_memory=cost.card_memory,
        )
        stored = store.add_shard(header, content)
    (store.windows / f"{work.key}.jsonl").unlink(missing_ok=True)
    return stored


def _compute_items(
    store: Store, job: NodeJob, work: ShardWork, items: Sequence[Item]
) -> tuple[list[NodeOutcome], Cost]:
    kind = KINDS[job.plan.kind]
    settings = kind.settings.model_validate_json(job.settings)
    facts = kind.facts(settings)
    if "torch" not in job.plan.libraries:
        component = kind.build(settings, job.context)
        check_plan(job.plan, job.context.store, facts.files)
        return _compute_checked(job, component, items, filters=facts.may_drop)
    from tasks.engines.device_context import shard_context  # noqa: PLC0415 - imports torch

    with shard_context(job, work.key, lambda: kind.build(settings, job.context), facts.files) as component:
        with keep_windows(store.windows / f"{work.key}.jsonl") as kept:
            outcomes, cost = _compute_checked(job, component, items, filters=facts.may_drop)
        cost.seconds += kept.recalled_seconds
        return outcomes, cost


def _compute_checked(
    job: NodeJob, component: Component, items: Sequence[Item], *, filters: bool
) -> tuple[list[NodeOutcome], Cost]:
    """Return a component's outcomes, after :func:`check_outcomes`."""
    report_share(0.0, 1.0)
    with measure_cost() as cost, measure_card(job.device):
        outcomes = check_outcomes(job.context.name, items, component(items), may_drop=filters)
    return [outcome for outcome in outcomes if outcome is not None], cost
