"""One node of a run as a Prefect task: its shards follow those that it reads, through its lane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components.nodes.facts import Mode
from components.nodes.node_context import Item
from components.pipeline.items.item_gatherer import ItemGatherer, has_stopped
from components.pipeline.items.shard_items import ShardSource, read_items
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import NodePlan
from components.pipeline.stage_planning import with_models, with_tables
from components.run_record import StageRef
from components.storage.shards.shard import ShardEntry, ShardHeader, parse_refused
from components.storage.shards.tallies import AUDIO_SECONDS, READ
from components.storage.stages.reader import audio_seconds_of, read_shard, read_shards
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.stages.whole_stage import discard_work
from components.storage.store import Store
from reports.terminal.node_progress import NodeProgress
from tasks.engines.local import LocalShards
from tasks.engines.node_at_work import Shards
from tasks.engines.node_job import NodeJob, ShardWork
from tasks.engines.run_coordinator import RunCoordinator
from tasks.execution.whole_node import compute_whole


class NodeRun:
    """Computes the stage of one node, or what is missing of it.

    Args:
        pipeline: the graph.
        planned: the node and its plan.
        data: the data sets by name.
        coordinator: of the nodes of the run.
        plans: of all nodes, by name.
        shards: computes its shards; None: in this process.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        planned: NodePlan,
        data: Mapping[str, StageRef],
        coordinator: RunCoordinator,
        plans: Mapping[str, NodePlan],
        shards: Shards | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.planned = planned
        self.node = planned.node
        self.data_sets = data
        self.coordinator = coordinator
        self.plans = plans
        self._shards = shards or LocalShards()
        self.store = Store(planned.context.store)
        self.all_idle = False
        """Whether nothing is to be done for any of its items, though there are some."""
        self.progress: NodeProgress | None = None
        """What it has computed, from when it begins to."""
        self.gatherer = ItemGatherer(pipeline, self.node)
        self._entries: dict[str, tuple[ShardEntry, ...]] = {}
        self._stored: dict[str, ShardHeader] = {}
        self._job: NodeJob | None = None
        self.depth = pipeline.depth_of(self.node.name)

    @property
    def data(self) -> StageRef:
        """The utterances of a node that reads some."""
        return self.data_sets[self.pipeline.data_of(self.node.name)]

    def compute(self) -> StageRef | None:
        """Return the finished stage; None where no utterance had anything to do with the node."""
        kind, plan = self.node.kind, self.planned.stage
        stored = self.node.facts.stage is not None
        if stored or kind.mode is not Mode.PER_ITEM or self._may_be_finished(plan):
            read = {} if stored else self._wait_for_all()
            finished = self.store.find_stage(plan, read)
            if finished is not None:
                discard_work(Path(finished.path))
                return finished
            if kind.mode.is_whole:
                return compute_whole(self, read)
            if stored:
                kind.build(self.node.settings, self.planned.context)  # says what is missing
            if not self._has_work():
                return None
        return self._compute_shards()

    def _may_be_finished(self, plan: StagePlan) -> bool:
        """Return whether there is a stage, and what it was computed from can be waited for."""
        return self.store.find_stage(plan) is not None and self._shards.may_wait(self)

    def _has_work(self) -> bool:
        """Return whether any item needs work, and set ``all_idle``: there are items, and none does."""
        for items in self.read_item_shards():
            for item in items:
                if self.node.kind.mode is not Mode.ROUND or not has_stopped(item):
                    self.all_idle = False
                    return True
                self.all_idle = True
        return False

    # What it reads

    def _wait_for_all(self) -> dict[str, str]:
        """Wait for everything that the node reads and return the digests, by role."""
        refs = {role: self.wait_for_ref(name) for role, name in self.node.reads.items()}
        # Of utterances the digest of what decides results stands in the key; where their audio lies does not.
        return {role: ref.sha256 for role, ref in refs.items() if ref is not None and ref.content is None}

    def wait_for_ref(self, name: str) -> StageRef | None:
        """Wait for what is read under a name; None of a node that had nothing to do."""
        return self.data_sets[name] if name in self.data_sets else self.coordinator.wait_for(name)

    def wait_for_work(self, number: int) -> ShardWork:
        """Wait for all that a shard of the node reads, and return what computes it."""
        waited = ((name, self.wait_for_source(name, number)) for name in self.gatherer.followed)
        return self.make_work(number, {name: source for name, source in waited if source is not None})

    def make_work(self, number: int, sources: Mapping[str, tuple[ShardSource, str]]) -> ShardWork:
        """Return what computes a shard.

        Args:
            number: its position.
            sources: node that is read -> where its outcomes are, and their digest.
        """
        key, alike, identities = self.planned.work_of(number)
        nothing = (None, "")
        read = {
            role: (identity, sources.get(self.node.reads.get(role, ""), nothing)[1])
            for role, identity in identities.items()
        }
        known = read if self.planned.is_exact(number) else None
        places = {name: source for name, (source, _) in sources.items()}
        return ShardWork(number, key, self.shards_of(self.data)[number].key, places, known, alike)

    def wait_for_source(self, name: str, number: int) -> tuple[ShardSource, str] | None:
        """Return where a node's outcomes for a shard of the data are, and their digest; None of none."""
        header = self.coordinator.wait_for_shard(name, number)
        if header is not None:
            return ShardSource(header.key), header.sha256
        ref = self.coordinator.ref(name)
        if ref is None:
            return None
        if self.plans[name].shard_keys:
            shard = self.shards_of(ref)[number]
            return ShardSource(shard.key), shard.sha256
        return ShardSource(stage=self.store.localize(ref)), ref.sha256

    def shards_of(self, ref: StageRef) -> tuple[ShardEntry, ...]:
        """Return the shards of a finished stage, in order."""
        if ref.key not in self._entries:
            self._entries[ref.key] = read_shards(self.store.localize(ref))
        return self._entries[ref.key]

    def read_item_shards(self) -> Iterator[list[Item]]:
        """Yield the items of every shard of the data set, each as soon as what it reads is there."""
        for number, shard in enumerate(self.shards_of(self.data)):
            work = self.wait_for_work(number)
            yield read_items(self.store.root, self.gatherer, shard.key, work.sources)

    # Shards

    def _compute_shards(self) -> StageRef | None:
        """Compute every shard that is missing, and finish the stage."""
        self.store.backend.uses.note(self.planned.stage.fingerprint)  # before a shard is looked for
        self.progress = NodeProgress(
            self.node.name,
            sum(shard.ok for shard in self.shards_of(self.data)),
            audio_total=audio_seconds_of(self.data) if "speech" in self.node.kind.reads else 0.0,
        )
        self._stored = self.store.find_shards(self.planned.shard_keys)
        headers = self._shards.compute(self)
        if not any(header.ok + header.quarantined for header in headers):
            return None
        self._check_outcomes(headers)
        ref = finish_stage(self.store, self.planned.stage, headers, self._wait_for_all())
        return ref.model_copy(update={"reused": self.counts.done == self.counts.resumed})

    @property
    def counts(self) -> NodeProgress:
        """What it has computed; TypeError before it begins to."""
        if self.progress is None:
            raise TypeError(f"{self.node.name}: expected it to have begun")
        return self.progress

    def find_shard(self, work: ShardWork, utterances: int) -> ShardHeader | None:
        """Return a shard that is stored, counted as done; None where it is not.

        Args:
            work: the shard.
            utterances: in the shard of the data set.
        """
        header = self._stored.get(work.key)
        if header is None or not header.is_made_from(work.read):
            header = self.store.find_shard(work.key, work.read)
        if header is not None:
            self.count_stored(header, utterances)
        return header

    def count_stored(self, header: ShardHeader, utterances: int) -> None:
        """Count a shard that an earlier attempt, or another run, has computed."""
        items = header.ok + header.quarantined
        self.counts.gather(utterances, items)
        self.counts.skip(items, header.tallies.get(READ, {}).get(AUDIO_SECONDS, 0.0))

    def _check_outcomes(self, headers: Sequence[ShardHeader]) -> None:
        """Let the kind refuse a stage in which nothing could be processed."""
        if any(header.ok for header in headers):
            return
        refused = (
            parse_refused(line) for header in headers for _, line in read_shard(self.store.root, header.key)
        )
        if (first := next(refused, None)) is not None:
            self.node.kind.check_failed(self.node.settings, first)

    @property
    def job(self) -> NodeJob:
        """What a process needs to know to compute; the first to ask waits for its tables."""
        # No cached_property: before Python 3.12 one lock serves all nodes, and this waits for others.
        if self._job is None:
            self._job = self._make_job()
        return self._job

    def _make_job(self) -> NodeJob:
        refs = {name: self.wait_for_ref(name) for name in self.node.tables.values()}
        tables = {name: self.store.localize(ref) for name, ref in refs.items() if ref is not None}
        context = with_tables(self.planned.context, self.node, tables)
        keys = {name: planned.stage.key for name, planned in self.plans.items()}
        settings = with_models(self.node.settings, self.node, keys)
        device = self.node.kind.facts(settings).device or "cpu"
        threads = 1
        if "torch" in self.planned.stage.libraries:
            from components.compute.device import count_torch_threads  # noqa: PLC0415 - imports torch

            threads = count_torch_threads()
        return NodeJob(
            self.planned.stage,
            settings.model_dump_json(),
            context,
            device,
            threads,
            self.gatherer,
            reads_speech="speech" in self.node.kind.reads,
        )

    def find_first_text(self) -> StageRef | None:
        """Return the stage of the first text that a finished node has read."""
        names = [name for name in self.node.of if self.pipeline.type_of(name) == "text"]
        refs = [self.coordinator.ref(name) for name in names if self.coordinator.is_finished(name)]
        return next((self.store.localize(ref) for ref in refs if ref is not None), None)
