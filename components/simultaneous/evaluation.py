"""What a replay was worth: scores, latency, and which stage the latency comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from components.analysis.texts_to_score import AlignedTexts, Languages, align_records
from components.metrics.metric import Metric
from components.metrics.statistics.bootstrap import Estimate, ratio_interval
from components.records import Hypothesis, Record, Utterance
from components.run_record import Score
from components.simultaneous.latency import Latencies, measure_latencies
from components.simultaneous.records import Replay
from components.simultaneous.units import join_units, split_units
from components.text.matching.resegmentation import resegment

LATENCIES = ("yaal", "laal", "al", "ap", "start", "end")
"""In the order of tables; of long recordings ``yaal`` is LongYAAL and ``laal`` StreamLAAL."""


class Output(NamedTuple):
    """The texts that are judged.

    Attributes:
        role: transcript or translation.
        node: that writes them.
        chain: the nodes from the sound to it, in order.
        languages: of the texts, as scores need them.
    """

    role: str
    node: str
    chain: tuple[str, ...]
    languages: Languages


class Point(Record):
    """A system under one setting.

    Attributes:
        policies: node -> its policy; of a log of another system its name.
        chunk: seconds; 0 of a log.
        n, n_total: recordings that were replayed, of how many.
        scores: of the output.
        heard, clock: name of a latency -> seconds (``ap``: a ratio), by the sound heard and by the clock.
        erasure: units that were taken back per unit of the final text (normalized erasure, Arivazhagan et al.
            2020).
        real_time_factor: seconds of computing per second of sound.
        costs: metric -> loss (the errors of a recognizer, the policy of a node) -> the points that it costs.
        parts: what the mean delay of a written unit, by the clock, is made of, in seconds; they add up to it.
        faults: recording -> why it was not replayed.
    """

    policies: dict[str, str]
    chunk: float
    n: int
    n_total: int
    scores: tuple[Score, ...] = ()
    heard: dict[str, Estimate] = Field(default_factory=dict)
    clock: dict[str, Estimate] = Field(default_factory=dict)
    erasure: Estimate | None = None
    real_time_factor: float = 0.0
    costs: dict[str, dict[str, Estimate]] = Field(default_factory=dict)
    parts: dict[str, float] = Field(default_factory=dict)
    faults: dict[str, str] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """The policies in a word where all nodes have the same."""
        named = set(self.policies.values())
        words = named.pop() if len(named) == 1 else " ".join(f"{k}={v}" for k, v in self.policies.items())
        return f"{words}, {self.chunk:g} s" if self.chunk else words


class Simultaneous(Record):
    """A system under several settings.

    Attributes:
        output: transcript or translation.
        offline: scores of the run's texts, which hears everything first.
        points: of each setting.
    """

    output: str
    offline: tuple[Score, ...] = ()
    points: tuple[Point, ...]


def evaluate(
    replays: Sequence[Replay],
    utterances: Sequence[Utterance],
    output: Output,
    metrics: Iterable[Metric],
    setting: tuple[Mapping[str, str], float],
) -> Point:
    """Return what replays are worth.

    Args:
        replays: of each utterance.
        utterances: they, in the same order.
        output: the texts that are judged.
        metrics: of the output.
        setting: policies and chunk.
    """
    replayed = [(r, u) for r, u in zip(replays, utterances, strict=True) if not r.fault]
    texts = {replay.utterance_id: replay.texts[output.node] for replay, _ in replayed}
    computing = sum(
        seconds for replay, _ in replayed for step in replay.steps for seconds in step.seconds.values()
    )
    sound = sum(replay.seconds for replay, _ in replayed)
    return Point(
        policies=dict(setting[0]),
        chunk=setting[1],
        n=len(replayed),
        n_total=len(utterances),
        scores=score_outputs(texts, utterances, output, metrics),
        heard=_latencies(replayed, output, clock=False),
        clock=_latencies(replayed, output, clock=True),
        erasure=_measure_erasure([replay for replay, _ in replayed], output.node),
        real_time_factor=computing / sound if sound else 0.0,
        parts=_mean_parts([replay for replay, _ in replayed], output.chain),
        faults={replay.utterance_id: replay.fault for replay in replays if replay.fault},
    )


def align_outputs(
    texts: Mapping[str, str], utterances: Sequence[Utterance], output: Output
) -> AlignedTexts | None:
    """Return texts by utterance beside their references; None where none has one."""
    best = {key: Hypothesis(text=text, score=0.0, n_tokens=0, system="") for key, text in texts.items()}
    return align_records(utterances, best, output.languages, len(utterances)) if best else None


def score_outputs(
    texts: Mapping[str, str], utterances: Sequence[Utterance], output: Output, metrics: Iterable[Metric]
) -> tuple[Score, ...]:
    """Return the scores of texts by utterance."""
    aligned = align_outputs(texts, utterances, output)
    if aligned is None:
        return ()
    return tuple(aligned.units.score(metrics, aligned.segments, len(utterances)).values())


def _measure_erasure(replays: Iterable[Replay], node: str) -> Estimate | None:
    counts = [(replay.erased(node), len(replay.written(node))) for replay in replays]
    counts = [each for each in counts if each[1]]
    if not counts:
        return None
    erased, written = zip(*counts, strict=True)
    return Estimate(value=sum(erased) / sum(written), interval=ratio_interval(erased, written))


def _latencies(
    replayed: Sequence[tuple[Replay, Utterance]], output: Output, *, clock: bool
) -> dict[str, Estimate]:
    """Return the mean of each latency over outputs, with an interval over recordings."""
    measured = [list(measure_recording(replay, u, output, clock=clock)) for replay, u in replayed]
    estimates = {}
    for name in LATENCIES:
        values = [[v for each in of if (v := getattr(each, name)) is not None] for of in measured]
        sums = [(sum(of), len(of)) for of in values if of]
        if sums:
            totals, counts = zip(*sums, strict=True)
            estimates[name] = Estimate(
                value=sum(totals) / sum(counts), interval=ratio_interval(totals, counts)
            )
    return estimates


def measure_recording(
    replay: Replay, utterance: Utterance, output: Output, *, clock: bool
) -> Iterator[Latencies]:
    """Yield the latencies of a recording's output, or of those of its segments."""
    delays = replay.delays(output.node, clock=clock)
    spoken = output.role == "transcript"
    language = (
        utterance.source_language if spoken else utterance.target_language or output.languages.target or ""
    )
    segments = utterance.reference_segments
    if not segments:
        texts = [utterance.transcript] if spoken else utterance.references
        reference = next((text for text in texts if text), None)
        n = len(delays) if reference is None else len(split_units(reference, language))
        yield measure_latencies(delays, replay.seconds, n)
        return
    units = [each.unit for each in replay.written(output.node)]
    references = [(s.transcript if spoken else next(iter(s.references), None)) or "" for s in segments]
    position = 0
    for segment, reference, piece in zip(
        segments, references, resegment(join_units(units, language), references, language), strict=True
    ):
        count = len(split_units(piece, language))
        own = [delay - segment.start for delay in delays[position : position + count]]
        position += count
        yield measure_latencies(
            own,
            segment.end - segment.start,
            len(split_units(reference, language)),
            is_segment=True,
            recording_end=replay.seconds - segment.start,
        )


def split_delay(replay: Replay, chain: Sequence[str]) -> Iterator[dict[str, float]]:
    """Yield for every unit of the last node what its delay by the clock is made of; the parts add up to it.

    ``sound``: until the sound was heard that the first node needed. ``policy NODE``: a node had the unit (or
    the last one that the next node needed) for good, and did not write it yet. ``input NODE``: what had been
    written above was not yet enough for it. ``queue``: steps before were still computed. ``NODE``: computing.

    Args:
        replay: the replay.
        chain: the nodes from the sound to the output, in order.
    """
    for _, known, delta in replay.written(chain[-1]):
        step = replay.steps[delta.step]
        computing = {name: step.seconds.get(name, 0.0) for name in chain}
        parts = _split_heard(replay, chain, delta.heard, known)
        spent = sum(computing.values())
        parts["queue"] = delta.clock - delta.heard - spent
        yield parts | computing


def _split_heard(replay: Replay, chain: Sequence[str], heard: float, known: float) -> dict[str, float]:
    """Return what the seconds of sound are made of that had been heard when a unit was written."""
    parts = {f"policy {chain[-1]}": heard - known}
    if len(chain) == 1:
        return parts | {"sound": known}
    above = chain[-2]
    written = [d for d in replay.deltas.get(above, ()) if d.known and d.heard <= known + 1e-9]
    if not written:
        return parts | {"sound": known}
    latest = written[-1]
    parts[f"input {chain[-1]}"] = known - latest.heard
    return parts | _split_heard(replay, chain[:-1], latest.heard, latest.known[-1])


def _mean_parts(replays: Iterable[Replay], chain: Sequence[str]) -> dict[str, float]:
    sums: dict[str, float] = {}
    n = 0
    for replay in replays:
        for parts in split_delay(replay, chain):
            n += 1
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
    return {name: value / n for name, value in sums.items()}
