"""The shards of one node on Ray: what the node has and lacks, and what is told while the rest is computed."""

from __future__ import annotations

from dataclasses import replace

from components.pipeline.items.shard_items import ShardSource
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from tasks.engines.node_at_work import NodeAtWork
from tasks.engines.ray.messages import Event
from tasks.engines.ray.segment import Inbox, Part, Segment, check_complete
from tasks.progress import Progress, ShardSize


class RayShards:
    """Finds the shards of a node that are stored, and has the others computed with those of its segment.

    Args:
        segment: the node's.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._known: dict[int, ShardHeader] = {}
        self._missing: dict[int, dict[str, tuple[str, str]]] = {}
        self._stages: dict[str, StageRef] = {}

    def may_wait(self, run: NodeAtWork) -> bool:
        """Return whether a node may wait until all that it reads is finished.

        A node of its segment whose shards will be computed by the same job is not, before this one joins.
        """
        return not self._segment.wait_for_decision(run.gatherer.followed)

    def compute(self, run: NodeAtWork) -> list[ShardHeader]:
        """Return the headers of all shards of a node, in order."""
        self._segment.wait_for_decision(run.gatherer.followed)
        for number, shard in enumerate(run.shards_of(run.data)):
            self._look(run, number, shard.ok)
        job = run.job._replace(owns_device=True) if self._missing else None
        if job is not None:  # other processes may be in another folder
            job = job._replace(context=replace(job.context, store=run.store.backend.url))
        utterances = sum(run.shards_of(run.data)[number].ok for number in self._missing)
        part = Part(run.planned, job, self._known, self._missing, self._stages, utterances)
        headers = dict(self._known)
        inbox = self._segment.join(part)
        for number, header in sorted(self._known.items()):
            run.coordinator.advance(run.node.name, number, header)
        if self._missing:
            self._collect(run, inbox, headers)
        return [headers[number] for number in sorted(headers)]

    def _look(self, run: NodeAtWork, number: int, utterances: int) -> None:
        """Look for a shard, as far as it is known what that reads."""
        sources: dict[str, tuple[ShardSource, str]] = {}
        is_known = True
        for name in run.gatherer.followed:
            part = self._segment.find_part(name)
            if part is None:
                source = run.wait_for_source(name, number)
                if source is not None:
                    sources[name] = source
            elif number in part.known:
                header = part.known[number]
                sources[name] = ShardSource(header.key), header.sha256
            else:
                is_known = False
        found = run.find_shard(run.make_work(number, sources), utterances) if is_known else None
        if found is not None:
            self._known[number] = found
            return
        self._stages |= {
            name: source.stage for name, (source, _) in sources.items() if source.stage is not None
        }
        self._missing[number] = {
            run.coordinator.original_of(name): (source.key, digest)
            for name, (source, digest) in sources.items()
            if source.key
        }

    def _collect(self, run: NodeAtWork, inbox: Inbox, headers: dict[int, ShardHeader]) -> None:
        """Add the headers of the missing shards as they are told, and show how far the node is."""
        shown = Progress(run.counts)
        entries = run.shards_of(run.data)
        while len(headers) < len(entries):
            event = inbox.next_shard()
            if event is None:
                break
            if event.number not in headers:
                headers[event.number] = ShardHeader.model_validate_json(event.header)
                self._count(run, event, entries[event.number].ok, shown)
                run.coordinator.advance(run.node.name, event.number, headers[event.number])
        for number in sorted(self._missing.keys() - headers.keys()):
            # Of a node whose input has failed, or what was stored while nobody heard of it.
            header = run.find_shard(run.wait_for_work(number), entries[number].ok)
            if header is not None:
                headers[number] = header
                run.coordinator.advance(run.node.name, number, header)
        run.coordinator.check_halted()
        check_complete(run.node.name, len(entries) - len(headers))

    def _count(self, run: NodeAtWork, event: Event, utterances: int, shown: Progress) -> None:
        size = ShardSize(*event.size)
        run.counts.gather(utterances, round(size.items))
        if event.found:
            run.counts.skip(round(size.items), size.audio_seconds)
        else:
            shown.advance(event.number, size)
