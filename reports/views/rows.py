"""Rows of a report: stages, edges between them, utterances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from components.analysis.judgments import Judgment
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Utterance
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
