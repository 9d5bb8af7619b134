"""A run as its reports see it: records in, rows with scores and alignments out, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from components.records import Hypothesis, NBest, Outcome, Quarantined, RunRecord, Utterance
from reports.scoring import Comparison, compare
from reports.sections import Column, Section

UPSTREAM: dict[str, tuple[str, ...]] = {
    "asr": ("data",),
    "st": ("data",),
    "mt": ("asr", "data"),
    "stack": ("mt",),
    "refine": ("mt",),
    "metrics": ("refine", "stack", "mt", "st", "asr"),
}
"""Which stages feed a stage: of ``mt`` and its like the first that the run has, of ``metrics`` all."""

RECOGNITION = "asr"
"""Stages named so, or ``asr-...``, give transcripts; other stages with outcomes give translations."""


Models = Mapping[str, str | None]
"""References of models, and the sha256 of each where it is known."""


class Numbers(NamedTuple):
    """Percentages, nats and tokens of one utterance, by the last stage that has them."""

    wer: float | None
    chrf: float | None
    score: float | None
    tokens: int


@dataclass(frozen=True)
class StageRow:
    """What one stage produced and cost, its shards taken together."""

    stage: str
    items: int
    quarantined: int
    seconds: float
    real_time_factor: float | None
    peak_memory_bytes: int
    reused: bool
    models: Models
    key: str


@dataclass(frozen=True)
class UtteranceRow:
    """One utterance with what every stage made of it and how that compares to its references."""

    utterance: Utterance
    outcomes: dict[str, Outcome]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def quarantined(self) -> Quarantined | None:
        """The first stage's refusal, if any stage refused this utterance."""
        return next((o for o in self.outcomes.values() if isinstance(o, Quarantined)), None)

    def value(self, name: str) -> float | None:
        """``wer`` or ``chrf`` of this utterance by the last stage that has it."""
        found = [c.values[name] for c in self.comparisons.values() if c.values.get(name) is not None]
        return found[-1] if found else None

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
    def numbers(self) -> Numbers:
        """This utterance in the plots."""
        return Numbers(
            self.value("wer"), self.value("chrf"), self.score, self.best.n_tokens if self.best else 0
        )


@dataclass(frozen=True)
class RunView:
    """A finished run. Utterances and outcomes may read their records from disk when asked for them.

    ``outcomes`` maps a stage to utterance id to outcome, in the order of the stages; ``models`` gives those
    that made a stage, where they are known; ``links`` are the edges between stages where they are known;
    ``values`` maps utterance id to further numbers, which ``columns`` describe.
    """

    run: RunRecord
    utterances: Sequence[Utterance]
    outcomes: Mapping[str, Mapping[str, Outcome]]
    models: Mapping[str, Models] = field(default_factory=dict)
    links: Sequence[tuple[str, str]] | None = None
    sections: Sequence[Section] = ()
    columns: Sequence[Column] = ()
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    _numbers: dict[str, Numbers] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def audio_seconds(self) -> float:
        """Length of all audio together."""
        return sum(utterance.audio.seconds for utterance in self.utterances if utterance.audio)

    def numbers(self) -> list[Numbers]:
        """What the plots are made of, per utterance; those that were seen before are not scored again."""
        if any(utterance.id not in self._numbers for utterance in self.utterances):
            for _ in self.rows():
                pass
        return [self._numbers[utterance.id] for utterance in self.utterances]

    def stages(self) -> list[StageRow]:
        """One row per stage, in the order in which they ran."""
        names = list(dict.fromkeys(ref.stage for ref in self.run.stages))
        return [self._stage_row(name) for name in names]

    def edges(self) -> list[tuple[str, str]]:
        """(from, to) between stages of this run."""
        if self.links is not None:
            return list(self.links)
        names = [row.stage for row in self.stages()]
        result = []
        for name in names:
            above = [one for one in UPSTREAM.get(name.split("-")[0], ("data",)) if one in names]
            result += [(one, name) for one in (above if name == "metrics" else above[:1]) if one != name]
        return result

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[UtteranceRow]:
        """Rows of the utterances from ``start`` up to ``stop``, scored in batches of 50."""
        end = len(self.utterances) if stop is None else min(stop, len(self.utterances))
        for first in range(start, end, 50):
            yield from self._batch(self.utterances[first : min(first + 50, end)])

    def row(self, utterance_id: str) -> UtteranceRow | None:
        """The row of one utterance, None if the run has no such id."""
        for utterance in self.utterances:
            if utterance.id == utterance_id:
                return self._batch([utterance])[0]
        return None

    def target_language(self, utterance: Utterance) -> str | None:
        """The utterance's own, else the run's."""
        stated = self.run.parameters.get("target_language")
        return utterance.target_language or (stated if isinstance(stated, str) else None)

    def _batch(self, utterances: Sequence[Utterance]) -> list[UtteranceRow]:
        rows = []
        for utterance in utterances:
            found = {
                stage: outcomes[utterance.id]
                for stage, outcomes in self.outcomes.items()
                if utterance.id in outcomes
            }
            rows.append(UtteranceRow(utterance, found, values=self.values.get(utterance.id, {})))
        for stage in self.outcomes:
            self._compare(stage, rows)
        self._numbers.update((row.utterance.id, row.numbers) for row in rows)
        return rows

    def _compare(self, stage: str, rows: Sequence[UtteranceRow]) -> None:
        """Put the stage's comparisons into the rows, a language at a time."""
        recognition = is_recognition(stage)
        groups: dict[str, list[UtteranceRow]] = {}
        for row in rows:
            utterance = row.utterance
            stated = (utterance.transcript,) if recognition else utterance.references
            if isinstance(row.outcomes.get(stage), NBest) and any(stated):
                language = utterance.source_language if recognition else self.target_language(utterance)
                groups.setdefault(language or "und", []).append(row)
        for language, group in groups.items():
            references = {
                row.utterance.id: (row.utterance.transcript or "",)
                if recognition
                else row.utterance.references
                for row in group
            }
            texts = {row.utterance.id: _best(row.outcomes[stage]) for row in group}
            found = compare(references, texts, language=language, recognition=recognition)
            for row in group:
                if row.utterance.id in found:
                    row.comparisons[stage] = found[row.utterance.id]

    def _stage_row(self, name: str) -> StageRow:
        refs = [ref for ref in self.run.stages if ref.stage == name]
        seconds = sum(ref.seconds for ref in refs)
        heard = name.split("-", maxsplit=1)[0] in ("asr", "st") and self.audio_seconds > 0
        return StageRow(
            stage=name,
            items=sum(ref.items for ref in refs),
            quarantined=sum(ref.quarantined for ref in refs),
            seconds=seconds,
            real_time_factor=seconds / self.audio_seconds if heard else None,
            peak_memory_bytes=max(ref.peak_memory_bytes for ref in refs),
            reused=all(ref.reused for ref in refs),
            models=self.models.get(name, {}),
            key=refs[0].key,
        )


def is_recognition(stage: str) -> bool:
    """Whether the outcomes of a stage are transcripts; ``system: stage`` names the stage of a system."""
    return stage.rpartition(": ")[2].split("-", maxsplit=1)[0] == RECOGNITION


def _best(outcome: Outcome) -> str:
    return outcome.best.text if isinstance(outcome, NBest) else ""
