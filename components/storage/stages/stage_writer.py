"""Finishing a stage: of shards that are stored, or of files that are made in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import NamedTuple

from components.compute.profiling import Cost, add_usage, largest_card_memory
from components.files.canonical_json import digest_of
from components.files.digests import file_digest
from components.files.files import disk_full_as_store_error, sync_file, utc_now, write_bytes
from components.records import NodeOutcome
from components.run_record import StageRef
from components.storage.places.locks import LockWait, lock_seconds
from components.storage.shards.shard import ShardHeader, encode_outcomes, sum_counts
from components.storage.shards.tallies import add_tallies
from components.storage.stages.seal import SEAL, Seal, digest_contents, stage_ref
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store


class StageWriter:
    """The only writer of the folder of a stage. ``ref`` is set once it is finished, or was found so.

    Args:
        store: where.
        plan: the stage's.
        read_digests: digests of the stages that it reads, by role.
        ref: the finished stage, if it was found.
    """

    def __init__(
        self,
        store: Store,
        plan: StagePlan,
        read_digests: Mapping[str, str] | None = None,
        ref: StageRef | None = None,
    ) -> None:
        self.plan = plan
        self.path = store.stage_folder(plan.key)
        self.read_digests = dict(read_digests or {})
        self.ref = ref
        self._store = store

    def seal(
        self,
        files: Iterable[str],
        cost: Cost,
        *,
        items: int,
        quarantined: int = 0,
        records: Sequence[NodeOutcome] | None = None,
        shards: Sequence[ShardHeader] = (),
    ) -> StageRef:
        """Write ``stage.json`` over files of the folder, the last act of a stage made in one piece.

        Args:
            files: names relative to the stage's folder.
            cost: of making them.
            items: how many items they stand for.
            quarantined: how many of these could not be processed.
            records: its outcomes, where it gives some; they become one shard.
            shards: further ones that it is made of, which are stored.
        """
        digests = {name: file_digest(self.path / name) for name in sorted(files)}
        for name in digests:
            sync_file(self.path / name)
        headers = shards if records is None else (self._store_records(records), *shards)
        contents = _Contents(digests, headers, items, quarantined)
        self.ref = _finish(self._store, self.plan, contents, self.read_digests, cost)
        return self.ref

    def _store_records(self, outcomes: Sequence[NodeOutcome]) -> ShardHeader:
        self._store.backend.uses.note(self.plan.fingerprint)  # before the shard is looked for
        header, content = encode_outcomes(
            outcomes,
            key=digest_of([self.plan.key, "records"]),
            stage=self.plan.stage,
            kind=self.plan.kind,
            fingerprint=self.plan.fingerprint,
            read={role: (sha, sha) for role, sha in self.read_digests.items()},
        )
        return self._store.add_shard(header, content)


def finish_stage(
    store: Store, plan: StagePlan, headers: Sequence[ShardHeader], read_digests: Mapping[str, str]
) -> StageRef:
    """Finish a stage of records, whose shards are all stored.

    Args:
        store: where.
        plan: the stage's, which says the keys of its shards.
        headers: of its shards, in order.
        read_digests: digests of the stages that it reads, by role.
    """
    cost = Cost(
        seconds=sum(header.seconds for header in headers),
        peak_memory_bytes=max((header.peak_memory_bytes for header in headers), default=0),
        batch_size=min((header.batch_size for header in headers if header.batch_size), default=0),
        usage=reduce(add_usage, (header.usage for header in headers), {}),
        card_memory=largest_card_memory([header.card_memory for header in headers]),
    )
    items, quarantined = sum_counts(header.entry for header in headers)
    return _finish(store, plan, _Contents({}, headers, items, quarantined), read_digests, cost)


class _Contents(NamedTuple):
    """What a finished stage holds and stands for."""

    files: Mapping[str, str]
    headers: Sequence[ShardHeader]
    items: int
    quarantined: int


def _finish(
    store: Store, plan: StagePlan, contents: _Contents, read: Mapping[str, str], cost: Cost
) -> StageRef:
    files, headers, items, quarantined = contents
    shards = tuple(header.entry for header in headers)
    known = [shard.content for shard in shards if shard.content is not None]
    seal = Seal(
        stage=plan.stage,
        kind=plan.kind,
        key=plan.key,
        plan=plan.model_dump(mode="json"),
        files=dict(files),
        shards=shards,
        sha256=digest_contents(files, shards),
        content=digest_of(known) if shards and len(known) == len(shards) else None,
        read=dict(read),
        items=items,
        quarantined=quarantined,
        seconds=round(cost.seconds, 3),
        peak_memory_bytes=cost.peak_memory_bytes,
        batch_size=cost.batch_size,
        usage=cost.usage,
        card_memory=cost.card_memory,
        tallies=add_tallies(header.tallies for header in headers),
        finished=utc_now(),
    )
    folder, content = store.stage_folder(plan.key), seal.encode()
    store.mark_layout()
    store.backend.publish_stage(plan.key, seal.files, content)
    with disk_full_as_store_error(f"stage {plan.stage}", folder):
        write_bytes(folder / SEAL, content)
    return stage_ref(seal, folder, reused=False)


@contextmanager
def open_stage(
    store: Store, plan: StagePlan, *, read_digests: Mapping[str, str] | None = None
) -> Iterator[StageWriter]:
    """Open the stage of a plan that is made in one piece: finished (``writer.ref`` is set), resumed, or new.

    What goes wrong inside the ``with`` block leaves what is in the folder: only ``seal`` finishes a stage.

    Args:
        store: where.
        plan: the stage's.
        read_digests: digests of the stages that it reads, by role; a finished stage that was computed from
            others is stale and computed again.

    Raises:
        StoreError: another process still writes this stage after ``ANTIPHON_LOCK_SECONDS``; the message says
            which.
    """
    ref = store.find_stage(plan, read_digests)
    if ref is not None:
        yield StageWriter(store, plan, ref=ref)
        return
    folder = store.stage_folder(plan.key)
    what = f"stage {plan.stage} ({plan.key[:12]}…)"
    with store.backend.lock(plan.key, what, LockWait(what, lock_seconds())):
        store.mark_layout()
        # Whoever held the lock a moment ago may have finished it.
        ref = store.find_stage(plan, read_digests)
        if ref is None:
            store.backend.set_aside(plan.key)
            with disk_full_as_store_error(what, folder):
                folder.mkdir(parents=True, exist_ok=True)
        yield StageWriter(store, plan, read_digests, ref)
