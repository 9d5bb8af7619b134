"""The view of a finished run: rows of nodes, and of utterances with scores and alignments, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import NamedTuple

from components.analysis.cost import Cost
from components.analysis.judgments import StoredJudgments
from components.analysis.measuring.overview import Overview
from components.analysis.run_outputs import language_of, target_language_of
from components.analysis.table import Column, Sentence, Table
from components.metrics.metric import Output
from components.metrics.normalizers import BY_LANGUAGE
from components.models.references import shorten_keys
from components.nodes.kind import KINDS
from components.pipeline.pipeline import DATA, TARGET
from components.records import NBest, NodeOutcome, Utterance
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.shards.tallies import AUDIO_SECONDS, READ, TOTALS, Tallies, tally_outcomes
from components.storage.stages.stored_records import find_utterance
from reports.views.rows import GraphEdge, Models, StageRow, UtteranceNumbers, UtteranceRow, count_branches
from reports.views.utterance_alignment import align_to_references


class ScoredNode(NamedTuple):
    """A node whose texts are a system's transcripts or translations; ``system`` is "" in a run of one."""

    system: str
    role: Output
    node: str


@dataclass(frozen=True)
class RunView:
    """A finished run. Utterances and outcomes may read their records from disk when asked for them.

    Attributes:
        run: its record.
        utterances: of its data set.
        outcomes: node -> utterance id -> outcome, in the order of the pipeline.
        models: of each stage, where they are known.
        sections: further tables and pictures.
        columns: describe ``values``.
        values: utterance id -> further numbers.
        systems: of a comparison, system -> role -> node; the baseline first.
        verdict: what came out, in sentences.
        texts: names of text files of its outputs, relative to the report.
        cost: of all nodes together, of a run that decodes a data set.
        tallies: stage -> what is counted over its records; of the others they are counted when asked for.
        overview: what there is to say of all utterances of a large run.
        total: how many utterances there are, where ``utterances`` are a sample of them.
        sample: in a sentence, which they are.
    """

    run: RunRecord
    utterances: Sequence[Utterance]
    outcomes: Mapping[str, Mapping[str, NodeOutcome]]
    models: Mapping[str, Models] = field(default_factory=dict)
    sections: Sequence[Table] = ()
    columns: Sequence[Column] = ()
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    systems: Mapping[str, Mapping[Output, str]] = field(default_factory=dict)
    verdict: Sequence[Sentence] = ()
    texts: Sequence[str] = ()
    cost: Cost | None = None
    tallies: Mapping[str, Tallies] = field(default_factory=dict)
    overview: Overview | None = None
    total: int | None = None
    sample: str = ""
    _numbers: dict[str, UtteranceNumbers] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def judgments(self) -> StoredJudgments:
        """The sentence scores of models."""
        return StoredJudgments(self.run)

    @cached_property
    def audio_seconds(self) -> float:
        """Length of all audio together."""
        stored = self.tallies.get(DATA)
        tallies = tally_outcomes(self.utterances) if stored is None else stored
        return tallies.get(TOTALS, {}).get(AUDIO_SECONDS, 0.0)

    @property
    def n_utterances(self) -> int:
        """How many utterances there are, those that are not shown among them."""
        return len(self.utterances) if self.total is None else self.total

    @property
    def normalizer(self) -> str:
        """That of the run's error rates."""
        return str(self.run.parameters.get("normalizer", BY_LANGUAGE))

    def numbers(self) -> list[UtteranceNumbers]:
        """Return numbers of every utterance for the plots; utterances are scored once."""
        if any(utterance.id not in self._numbers for utterance in self.utterances):
            for _ in self.rows():
                pass
        return [self._numbers[utterance.id] for utterance in self.utterances]

    def list_scored_nodes(self) -> list[ScoredNode]:
        """Return the outputs of the run, or of every system of a comparison."""
        systems = self.systems or {"": self.run.pipeline.outputs}
        return [
            ScoredNode(system, role, node)
            for system, nodes in systems.items()
            for role, node in nodes.items()
            if node in self.outcomes
        ]

    def nodes(self) -> list[StageRow]:
        """Return the data set and the nodes of the pipeline, in order."""
        stages = {ref.stage: ref for ref in self.run.stages}
        data = [self._of_stage(stages[DATA])] if DATA in stages else []
        return [*data, *(self._of_node(node, stages.get(node.name)) for node in self.run.pipeline.nodes)]

    def stages(self) -> list[StageRow]:
        """Return the data set, the nodes, and whatever else a run has done, such as its scores."""
        nodes = self.nodes()
        names = {row.stage for row in nodes}
        return [*nodes, *(self._of_stage(ref) for ref in self.run.stages if ref.stage not in names)]

    def transcribes(self, stage: str) -> bool:
        """Return whether the texts of a node are transcripts."""
        node = self.run.pipeline.node(stage)
        return node is not None and node.transcribes

    def name_member(self, stage: str, member: str) -> str:
        """Return what a member of a node is called: a stored model in short, a voter's number as its node."""
        node = self.run.pipeline.node(stage)
        voters = dict(zip(map(str, count(1)), node.inputs if node else (), strict=False))
        return voters.get(member, shorten_keys(member))

    def edges(self) -> list[GraphEdge]:
        """Return edges between the nodes, with the branches of routes."""
        stages = {row.stage for row in self.nodes()}
        edges = [edge for node in self.run.pipeline.nodes for edge in GraphEdge.to(node)]
        return [edge for edge in edges if edge.above in stages]

    @cached_property
    def branches(self) -> dict[str, dict[str, int]]:
        """Node -> way (or decision of a round) -> how many utterances; also 0 for a way that a node is on."""
        return count_branches(self.run.pipeline.nodes, self._tallies_of, shown=self.outcomes)

    def _tallies_of(self, stage: str) -> Tallies:
        stored = self.tallies.get(stage)
        return tally_outcomes(self.outcomes.get(stage, {}).values()) if stored is None else stored

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[UtteranceRow]:
        """Rows of the utterances from ``start`` up to ``stop``, scored in batches of 50."""
        end = len(self.utterances) if stop is None else min(stop, len(self.utterances))
        for first in range(start, end, 50):
            yield from self._batch(self.utterances[first : min(first + 50, end)])

    def row(self, utterance_id: str) -> UtteranceRow | None:
        """Return the row of one utterance, None if the run has no such id."""
        utterance = find_utterance(self.utterances, utterance_id)
        return None if utterance is None else self._batch([utterance])[0]

    def target_language_of(self, utterance: Utterance) -> str | None:
        """Return the utterance's own target language, else the run's."""
        return target_language_of(self.run, utterance)

    def language_of(self, node: NodeRecord, utterance: Utterance) -> str:
        """Return the language of a node's text of an utterance."""
        return language_of(self.run, node, utterance)

    def _batch(self, utterances: Sequence[Utterance]) -> list[UtteranceRow]:
        rows = []
        for utterance in utterances:
            by_stage = {stage: outcomes.get(utterance.id) for stage, outcomes in self.outcomes.items()}
            given = {stage: outcome for stage, outcome in by_stage.items() if outcome is not None}
            rows.append(UtteranceRow(utterance, given, values=self.values.get(utterance.id, {})))
        for node in self.run.pipeline.nodes:
            if node.name in self.outcomes and node.output == "text":
                self._compare(node, rows)
                self._judge(node, rows)
        self._numbers.update((row.utterance.id, row.numbers) for row in rows)
        return rows

    def _judge(self, node: NodeRecord, rows: Sequence[UtteranceRow]) -> None:
        """Store in the rows what models said of the node's texts."""
        for row in rows:
            outcome = row.outcomes.get(node.name)
            if isinstance(outcome, NBest):
                judgments = self.judgments.of(node.name, row.utterance, outcome.best.text)
                if judgments:
                    row.judgments[node.name] = judgments

    def _compare(self, node: NodeRecord, rows: Sequence[UtteranceRow]) -> None:
        """Align the node's texts with the references and store that in the rows, a language at a time."""
        groups: dict[str, list[UtteranceRow]] = {}
        for row in rows:
            if isinstance(row.outcomes.get(node.name), NBest) and any(self._references(node, row.utterance)):
                groups.setdefault(self.language_of(node, row.utterance), []).append(row)
        for language, group in groups.items():
            references = {row.utterance.id: self._references(node, row.utterance) for row in group}
            texts = {row.utterance.id: _best(row.outcomes[node.name]) for row in group}
            alignments = align_to_references(
                references,
                texts,
                language=language,
                recognition=node.transcribes,
                normalizer=self.normalizer,
            )
            for row in group:
                if row.utterance.id in alignments:
                    row.alignments[node.name] = alignments[row.utterance.id]

    def _references(self, node: NodeRecord, utterance: Utterance) -> tuple[str, ...]:
        """Return the references of a node's text; empty where they are in another language."""
        if node.transcribes:
            return (utterance.transcript or "",)
        same = node.language in (TARGET, self.target_language_of(utterance))
        return utterance.references if same else ()

    def _of_node(self, node: NodeRecord, ref: StageRef | None) -> StageRow:
        models = self.models.get(node.name) or dict.fromkeys(node.models.values())
        if ref is None:
            return StageRow(node.name, node.kind, node.status, models)
        kind = KINDS.get(node.kind)
        hears = kind is not None and "speech" in kind.reads and kind.stated.get("costs", True)
        audio_seconds = self._audio_of(ref.stage) if node.output == "text" and hears else 0.0
        row = StageRow.of(ref, node.kind, models, audio_seconds=audio_seconds)
        return replace(row, status="failed") if node.status == "failed" else row

    def _of_stage(self, ref: StageRef) -> StageRow:
        return StageRow.of(ref, ref.kind or ref.stage, self.models.get(ref.stage, {}))

    def _audio_of(self, stage: str) -> float:
        """Return the length of the audio that a node computed: behind a route not that of all utterances."""
        outcomes = self.outcomes.get(stage)
        if outcomes is None or len(outcomes) == self.n_utterances:
            return self.audio_seconds
        stored = self.tallies.get(stage)
        if stored is not None:
            return stored.get(READ, {}).get(AUDIO_SECONDS, 0.0)
        return sum(u.audio.seconds for u in self.utterances if u.audio and u.id in outcomes)


def _best(outcome: NodeOutcome) -> str:
    return outcome.best.text if isinstance(outcome, NBest) else ""
