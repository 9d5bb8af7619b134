"""What a report says of a stage, of an arrow between two, and of an utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Utterance
from reports.views.utterance_alignment import ReferenceAlignment

Models = Mapping[str, str | None]
"""References of models, and the sha256 of each where it is known."""


class UtteranceNumbers(NamedTuple):
    """Percentages, nats and tokens of one utterance, by the last stage that has them."""

    wer: float | None
    chrf: float | None
    score: float | None
    tokens: int


class GraphEdge(NamedTuple):
    """An arrow of the drawing; ``way`` is that of a route which leads along it."""

    above: str
    below: str
    role: Literal["of", "when", "table"] = "of"
    way: str = ""


@dataclass(frozen=True)
class StageRow:
    """What a node or another stage produced and cost; of a node that left no stage only what became of it."""

    stage: str
    kind: str
    status: str
    models: Models
    items: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    real_time_factor: float | None = None
    peak_memory_bytes: int = 0
    key: str = ""

    @property
    def has_stage(self) -> bool:
        """Whether it left a stage in the store."""
        return bool(self.key)


@dataclass(frozen=True)
class UtteranceRow:
    """One utterance with what every node made of it and how that compares to its references."""

    utterance: Utterance
    outcomes: dict[str, NodeOutcome]
    alignments: dict[str, ReferenceAlignment] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def quarantined(self) -> Quarantined | None:
        """The first stage's refusal, if any stage refused this utterance."""
        return next((o for o in self.outcomes.values() if isinstance(o, Quarantined)), None)

    def value(self, name: str) -> float | None:
        """``wer`` or ``chrf`` of this utterance by the last stage that has it."""
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
        """This utterance in the plots."""
        return UtteranceNumbers(
            self.value("wer"), self.value("chrf"), self.score, self.best.n_tokens if self.best else 0
        )
