"""What watching a run found: its record, and how it is made of signals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from components.metrics.statistics.bootstrap import FloatArray
from components.monitoring.drift.detection import Detection
from components.monitoring.drift.pairing import Pair
from components.monitoring.drift.sound import SOUND
from components.monitoring.drift.stage_signals import WAY
from components.monitoring.drift.texts import AGREEMENT, CHOSEN, OWN
from components.records import Record

EXAMPLES, PROPOSED = 10, 30
POINTS = 60
"""Places at which the evidence of stages is kept for the plot."""
FURTHER = {
    "seconds": "length in seconds",
    "characters": "characters",
    "quarantined": "share that could not be processed",
    "value": "number",
}


class SignalRow(Record):
    """A signal: mean of the accepted run, of all new utterances and since the change, and the evidence.

    ``evidence`` is the capital in powers of ten against what gives alarm; 0 and more is an alarm, which was
    given at utterance ``alarm``, counted from 1.
    """

    stage: str
    signal: str
    accepted: float
    new: float
    since: float | None
    evidence: float
    alarm: int | None
    n: int


class Example(Record):
    """An utterance that shows the change: its number and its text."""

    id: str
    value: float
    text: str


class FoundChange(Record):
    """The first change: found at utterance ``alarm``, since utterance ``onset``, both counted from 1."""

    stage: str
    signal: str
    direction: str
    alarm: int
    alarm_id: str
    onset: int
    onset_id: str
    found_by: str


class ScoreVerdict(Record):
    """WER of texts that a person corrected, against that of the accepted run, in points; lower is better."""

    node: str
    n: int
    wer: float
    accepted: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    verdict: Literal["worse", "better", "not told apart", "no accepted score", "too few"]


class WatchFindings(Record):
    """Whether new utterances are as the accepted ones were."""

    accepted: str
    runs: tuple[str, ...]
    n_accepted: int
    n: int
    left_out: int = Field(ge=0, description="utterances of the accepted run, or of two runs")
    earlier: int = Field(0, ge=0, description="of n, those that were there at an earlier look and are gone")
    alpha: float
    change: FoundChange | None
    signals: tuple[SignalRow, ...]
    unwatched: tuple[str, ...] = Field((), description="nodes of the accepted run that no new one has")
    examples: tuple[Example, ...]
    node: str | None = Field(description="whose texts are proposed for correction")
    proposed: tuple[str, ...]
    evidence: dict[str, tuple[float, ...]]
    places: tuple[int, ...]
    answers_alarm: bool = False
    is_known: bool = Field(False, description="the last look at the place gave alarm of the same stages")
    score: ScoreVerdict | None = None


def label_of_signal(name: str) -> str:
    """Return what a signal is, in words."""
    if name.startswith(WAY):
        return f"share sent to {name.removeprefix(WAY)}"
    if name.startswith(f"{AGREEMENT}."):
        return f"agreement with {name.partition('.')[2]}"
    labels = {**CHOSEN, **OWN, **{key: text for key, (text, _) in SOUND.items()}, **FURTHER}
    return labels.get(name, name)


def make_rows(detection: Detection) -> tuple[SignalRow, ...]:
    """Return a row per signal, in the order of the graph."""
    onset = None if detection.change is None else detection.change.onset
    rows = []
    for pair, evidence, threshold, alarm in zip(
        detection.pairs, detection.evidence, detection.thresholds, detection.alarms, strict=True
    ):
        since = pair.values[np.asarray(pair.places) >= onset] if onset is not None else np.array([])
        rows.append(
            SignalRow(
                stage=pair.stage,
                signal=pair.signal,
                accepted=float(pair.accepted.mean()),
                new=float(pair.values.mean()),
                since=float(since.mean()) if len(since) else None,
                evidence=(float(evidence.capital.max()) - threshold) / math.log(10),
                alarm=None if alarm is None else alarm + 1,
                n=len(pair.values),
            )
        )
    return tuple(rows)


def make_change(detection: Detection, ids: Sequence[str]) -> FoundChange | None:
    """Return the first change, in names."""
    change = detection.change
    if change is None:
        return None
    lead, found_by = (detection.pairs[number] for number in (change.lead, change.found_by))
    return FoundChange(
        stage=lead.stage,
        signal=lead.signal,
        direction=change.direction,
        alarm=change.alarm + 1,
        alarm_id=ids[change.alarm],
        onset=change.onset + 1,
        onset_id=ids[change.onset],
        found_by=f"{found_by.stage}: {label_of_signal(found_by.signal)}",
    )


def choose_examples(
    detection: Detection, ids: Sequence[str], texts: Mapping[str, str], earlier: int = 0
) -> tuple[Example, ...]:
    """Return the ten utterances since the change, but for those gone, that the leading signal shows it by."""
    change = detection.change
    if change is None:
        return ()
    pair = detection.pairs[change.lead]
    first = int(np.searchsorted(pair.places, max(change.onset, earlier)))
    places, values = pair.places[first:], pair.values[first:]
    distances = np.abs(values - np.median(pair.accepted))
    order = {"higher": -values, "lower": values, "more spread": -distances, "less spread": distances}
    best = order[change.direction].argsort(kind="stable")[:EXAMPLES]
    return tuple(
        Example(id=ids[places[n]], value=float(values[n]), text=texts.get(ids[places[n]], "")) for n in best
    )


def propose(
    detection: Detection, ids: Sequence[str], texts: Mapping[str, str], earlier: int = 0
) -> tuple[str, ...]:
    """Return 30 utterances with a text whose correction decides, of those since the change and still there.

    They are every k-th in the order of the leading signal, so their score is that of all of them, with less
    variance than a random draw of as many (systematic sampling, Cochran 1977).
    """
    change = detection.change
    onset = max(earlier, 0 if change is None else change.onset)
    values: dict[int, float] = {}
    if change is not None:
        pair = detection.pairs[change.lead]
        values = dict(zip(pair.places, pair.values.tolist(), strict=True))
    places = list({ids[place]: place for place in range(onset, len(ids)) if ids[place] in texts}.values())
    places.sort(key=lambda place: (values.get(place, 0.0), ids[place]))
    step = max(1.0, len(places) / PROPOSED)
    numbers = {int((k + 0.5) * step) for k in range(PROPOSED)}
    return tuple(ids[places[number]] for number in sorted(numbers) if number < len(places))


def trace_stages(detection: Detection, n: int) -> tuple[tuple[int, ...], dict[str, tuple[float, ...]]]:
    """Return places, and stage -> the evidence of its strongest signal there, as in :class:`SignalRow`."""
    places = tuple(sorted({max(1, round(n * (k + 1) / POINTS)) for k in range(POINTS)}))
    traces: dict[str, FloatArray] = {}
    for pair, evidence, threshold in zip(
        detection.pairs, detection.evidence, detection.thresholds, strict=True
    ):
        trace = (_hold(pair, evidence.capital, places) - threshold) / math.log(10)
        traces[pair.stage] = np.maximum(traces.get(pair.stage, trace), trace)
    return places, {stage: tuple(round(float(v), 3) for v in trace) for stage, trace in traces.items()}


def _hold(pair: Pair, capital: FloatArray, places: Sequence[int]) -> FloatArray:
    counts = np.searchsorted(np.asarray(pair.places), np.asarray(places))
    return np.concatenate([[0.0], capital])[counts]
