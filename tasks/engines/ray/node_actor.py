"""The worker of a node: finds or computes the node's shard of each row, and passes the row on."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import ray

from components.errors import AntiphonError
from components.nodes.node_context import Item
from components.pipeline.items.shard_items import ShardSource
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store
from tasks.engines.node_job import ShardWork
from tasks.engines.ray.board import MAX_ATTEMPTS
from tasks.engines.ray.messages import Event, NodeStep, Row
from tasks.engines.shard_computation import compute_shard, measure_items, retry_transient


class NodeActor:
    """A process that computes shards of one node, one after another, and keeps the node's models.

    Args:
        job: number of the job.
        step: the node.
        board: where it tells what it does.
    """

    def __init__(self, job: int, step: NodeStep, board: Any) -> None:
        self._job, self._step, self._board = job, step, board
        self._has_failed = False

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return rows as they go on."""
        return {"row": [self._pass(Row.decode(str(text))).encode() for text in batch["row"]]}

    @cached_property
    def _store(self) -> Store:
        with suppress(OSError):  # another machine may have no such folder
            os.chdir(self._step.folder)
        return Store(self._step.job.context.store)

    @cached_property
    def _machine(self) -> str:
        return str(ray.get_runtime_context().get_node_id())

    @cached_property
    def _stages(self) -> dict[str, ShardSource]:
        stages = self._step.stages
        return {name: ShardSource(stage=self._store.localize(ref)) for name, ref in stages.items()}

    def _pass(self, row: Row) -> Row:
        name = self._step.name
        if name in row.done:
            return row
        is_blocked = any(self._original_of(read) in row.failed for read in self._step.job.gatherer.followed)
        header = None if is_blocked or self._has_failed else self._find_or_compute(row)
        if header is None:
            row.failed.append(name)
        else:
            row.done[name] = [header.key, header.sha256]
        return row

    def _original_of(self, name: str) -> str:
        return self._step.originals.get(name, name)

    def _find_or_compute(self, row: Row) -> ShardHeader | None:
        """Return the header of a row's shard; None where the node has failed, or the run is to stop."""
        try:
            work = self._work_of(row)
            header = self._store.find_shard(work.key, work.read)
            if header is not None:
                self._tell_shard(work, header)
                return header
            answer = ray.get(self._board.begin.remote(self._step.name, work.number, self._machine))
            if answer == "go":
                return self._compute(work)
            if answer == "fail":
                raise AntiphonError(
                    f"{self._step.name}: expected shard {work.number} to be computed, found that "
                    f"{MAX_ATTEMPTS} processes ended while they did; a machine may lack memory for it"
                )
        except Exception as error:  # the other nodes of the job go on
            self._has_failed = True
            self._tell(self._event("failed", row.number, *_describe(error)))
        return None

    def _compute(self, work: ShardWork) -> ShardHeader:
        job = self._step.job
        size: tuple[float, float] | None = None

        def begin(items: Sequence[Item]) -> None:
            nonlocal size
            size = measure_items(items, speech=job.reads_speech)

        self._store.backend.bring_shards([work.data, *(s.key for s in work.sources.values() if s.key)])
        header = retry_transient(
            lambda: compute_shard(self._store, job, work, begin), time.sleep, self._step.name
        )
        self._tell_shard(work, header, size)
        return header

    def _work_of(self, row: Row) -> ShardWork:
        step = self._step
        sources, digests = dict[str, ShardSource](), dict[str, str]()
        for name in step.job.gatherer.followed:
            if name in self._stages:
                sources[name], digests[name] = self._stages[name], step.stages[name].sha256
            elif (finished := row.done.get(self._original_of(name))) is not None:
                sources[name], digests[name] = ShardSource(finished[0]), finished[1]
        identities = row.read[step.name]
        read = (
            identities
            if identities is None
            else {
                role: (identity, digests.get(step.reads.get(role, ""), ""))
                for role, identity in identities.items()
            }
        )
        key, alike = row.keys[step.name], row.alike[step.name]
        return ShardWork(row.number, key, row.data, sources, read, alike)

    def _tell_shard(
        self, work: ShardWork, header: ShardHeader, size: tuple[float, float] | None = None
    ) -> None:
        event = self._event("shard", work.number)
        self._tell(event._replace(header=header.model_dump_json(), size=size))

    def _event(self, sort: Any, number: int, error: str = "", message: str = "") -> Event:
        return Event(self._job, sort, self._step.name, number, error=error, message=message)

    def _tell(self, event: Event) -> None:
        ray.get(self._board.tell.remote(event))  # before the row goes on, so that nothing is told too late


def _describe(error: Exception) -> tuple[str, str]:
    """Return the class of an error and what it says; of what no user did, where it happened as well."""
    if isinstance(error, AntiphonError):
        return type(error).__name__, str(error)
    return "", "".join(traceback.format_exception(error)).strip()
