"""Rows of a report: stages, edges between them, utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from components.analysis.judgments import Judgment
from components.nodes.facts import Mode
from components.nodes.kind import KINDS
from components.pipeline.pipeline import ORIGIN, WHEN
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Utterance
from components.run_record import NodeRecord, StageRef
from components.storage.shards.tallies import (
    ACCEPTED,
    BRANCHES,
    DECISIONS,
    GOING,
    NOT_ACCEPTED,
    STOPPED,
    Tallies,
)
from reports.views.utterance_alignment import ReferenceAlignment

Models = Mapping[str, str | None]
"""References of models, and the sha256 of each where it is known."""


class UtteranceNumbers(NamedTuple):
    """WER and chrF (percent), log-probability (nats) and tokens, each of the last stage that has it."""

    wer: float | None
    chrf: float | None
    score: float | None
    tokens: int


class GraphEdge(NamedTuple):
    """An edge of the drawn graph; ``way`` names the branch of a route along it."""

    above: str
    below: str
    role: Literal["of", "when", "table"] = "of"
    branch: str = ""

    @classmethod
    def to(cls, node: NodeRecord) -> Iterator[Self]:
        """Yield the edges that end in a node, each from the data set or a node."""
        kind = KINDS.get(node.kind)
        # A round reads all rounds before it; drawn is that it goes on with the last.
        inputs = node.inputs[-1:] if kind is not None and kind.mode is Mode.ROUND else node.inputs
        yield from (cls(above, node.name) for above in dict.fromkeys(inputs))
        sources = {*node.inputs}
        if node.when is not None:
            above, branch = node.when.split(".", 1)
            yield cls(above, node.name, "when", branch)
            sources.add(above)
        further = [name for role, name in node.reads.items() if role not in (ORIGIN, WHEN)]
        yield from (
            cls(above, node.name, "table") for above in dict.fromkeys(further) if above not in sources
        )


def count_branches(
    nodes: Sequence[NodeRecord], tallies: Callable[[str], Tallies], *, shown: Container[str]
) -> dict[str, dict[str, int]]:
    """Count how many utterances went each way.

    Args:
        nodes: of the pipeline.
        tallies: returns what is counted over the records of a stage.
        shown: nodes whose outcomes are known.

    Returns:
        Node -> way (or decision of a round) -> how many; also 0 for a way that a node is on.
    """
    counts: dict[str, Counter[str]] = {}
    for node in nodes:
        if node.output == "table" and node.name in shown:
            counts[node.name] = _count(tallies(node.name), BRANCHES)
        elif node.output == "text":
            decided = _count(tallies(node.name), DECISIONS)
            accepted = {what: decided[what] for what in (ACCEPTED, NOT_ACCEPTED) if what in decided}
            if accepted:
                counts[node.name] = Counter(accepted)
    for above, branch in {tuple(node.when.split(".", 1)) for node in nodes if node.when}:
        counted = counts.setdefault(above, Counter())
        if branch not in counted:
            decided = _count(tallies(above), DECISIONS)
            counted[branch] = decided[branch] if branch in (GOING, STOPPED) else 0
    return {name: dict(sorted(counted.items())) for name, counted in counts.items()}


def _count(tallies: Tallies, what: str) -> Counter[str]:
    return Counter({value: int(n) for value, n in tallies.get(what, {}).items()})


@dataclass(frozen=True)
class StageRow:
    """What a node or another stage produced and cost; without a stage only its status."""

    stage: str
    kind: str
    status: str
    models: Models
    items: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    rtfx: float | None = None
    peak_memory_bytes: int = 0
    card_memory: Mapping[str, int] = field(default_factory=dict)
    key: str = ""

    @classmethod
    def of(cls, ref: StageRef, kind: str, models: Models, *, audio_seconds: float = 0.0) -> Self:
        """Return the row of a stored stage; with the seconds of audio that it read, it has an RTFx."""
        return cls(
            stage=ref.stage,
            kind=kind,
            status="reused" if ref.reused else "computed",
            models=models,
            items=ref.items,
            quarantined=ref.quarantined,
            seconds=ref.seconds,
            rtfx=audio_seconds / ref.seconds if audio_seconds and ref.seconds else None,
            peak_memory_bytes=ref.peak_memory_bytes,
            card_memory=ref.card_memory,
            key=ref.key,
        )

    @property
    def has_stage(self) -> bool:
        """Whether it left a stage in the store."""
        return bool(self.key)


@dataclass(frozen=True)
class UtteranceRow:
    """One utterance with the outcome of every node, its alignment with the references, and models' scores."""

    utterance: Utterance
    outcomes: dict[str, NodeOutcome]
    alignments: dict[str, ReferenceAlignment] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    judgments: dict[str, list[Judgment]] = field(default_factory=dict)

    @property
    def quarantined(self) -> Quarantined | None:
        """The first quarantine record, if any stage quarantined this utterance."""
        return next((o for o in self.outcomes.values() if isinstance(o, Quarantined)), None)

    def value(self, name: str) -> float | None:
        """Return ``wer`` or ``chrf`` of this utterance by the last stage that has it."""
        values = [c.values[name] for c in self.alignments.values() if c.values.get(name) is not None]
        return values[-1] if values else None

    @property
    def best(self) -> Hypothesis | None:
        """The best hypothesis of the last stage that has any."""
        lists = [outcome for outcome in self.outcomes.values() if isinstance(outcome, NBest)]
        return lists[-1].best if lists else None

    @property
    def score(self) -> float | None:
        """Sum of log-probabilities (nats) of the best hypothesis of the last stage."""
        return self.best.score if self.best else None

    @property
    def numbers(self) -> UtteranceNumbers:
        """The numbers of this utterance that are plotted."""
        return UtteranceNumbers(
            self.value("wer"), self.value("chrf"), self.score, self.best.n_tokens if self.best else 0
        )
