"""AlignAtt against local agreement while the speaker speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page
from benchmarks.quality.simultaneous.comparison import by_policy, compare_at_latency, measure_points
from benchmarks.quality.simultaneous.recordings import JOINED, PAUSE
from benchmarks.quality.simultaneous.replays import METRIC, SETTINGS

LABELS = {"bleu": "BLEU", "wer": "WER"}
SPEAKERS = {
    "captions": "Captions",
    "people": "English by people",
    "people_fr": "French by people",
    "all": "Both languages of people",
}
Rows = Sequence[Mapping[str, Any]]


def _sets(measurements: Mapping[str, Rows]) -> Mapping[str, Rows]:
    """Return the recordings of each set, and those of people in both languages as one."""
    people = [row for name in ("people", "people_fr") for row in measurements.get(name, ())]
    both = {"people", "people_fr"} <= set(measurements)
    return {**measurements, **({"all": people} if both else {})}


def _metric(name: str) -> str:
    return METRIC.get(name, "wer")


def _result(measurements: Mapping[str, Rows]) -> str:
    return "; ".join(_say(name, rows) for name, rows in _sets(measurements).items())


def _say(name: str, rows: Rows) -> str:
    metric = _metric(name)
    first = compare_at_latency(metric, rows)[0]
    low, high = first.interval
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
    return (
        f"{SPEAKERS[name]}: at the LongYAAL of {first.policy} ({first.lag:.2f} s) AlignAtt is {verdict} it "
        f"({first.value:+.1f} {LABELS[metric]}, {low:+.1f} to {high:+.1f}; more is better)"
    )


def _blocks(measurements: Mapping[str, Rows]) -> Iterator[str]:
    for name, rows in _sets(measurements).items():
        metric, own = _metric(name), by_policy(rows)
        recordings = next(iter(own.values()))
        minutes = sum(row["seconds"] for row in recordings) / 60
        judged = "translation" if metric == "bleu" else "transcript"
        yield f"## {SPEAKERS[name]}: the {judged} of {len(recordings)} recordings, {minutes:.1f} minutes"
        yield markdown_table(
            [
                *("policy", LABELS[metric], "LongYAAL, s", "by the clock, s"),
                *("taken back", "real-time factor", "CPU s per s"),
            ],
            list(_point_rows(metric, own)),
        )
        yield markdown_table(
            ["at the LongYAAL of", "s", f"AlignAtt better by, {LABELS[metric]}", "beyond its curve"],
            [
                [
                    d.policy,
                    f"{d.lag:.2f}",
                    f"{d.value:+.2f} ({d.interval[0]:+.2f} to {d.interval[1]:+.2f})",
                    f"{d.outside:.0%}",
                ]
                for d in compare_at_latency(metric, rows)
            ],
        )
        yield "Where the mean delay of a word by the clock comes from, in seconds:"
        yield markdown_table(
            ["policy", *_part_names(rows), "all", "sum off by, ms"], list(_part_rows(own, rows))
        )


def _point_rows(metric: str, own: Mapping[str, Rows]) -> Iterator[list[str]]:
    for policy, rows in own.items():
        point = measure_points(metric, rows, np.ones((1, len(rows))))
        seconds = sum(row["seconds"] for row in rows)
        clock = [lag for row in rows for lag in row["yaal_clock"]]
        yield [
            policy,
            f"{float(point.scores[0, 0]):.1f}",
            f"{float(point.lags[0, 0]):.2f}",
            f"{sum(clock) / max(1, len(clock)):.2f}",
            str(sum(row["erased"] for row in rows)),
            f"{sum(row['computing'] for row in rows) / seconds:.2f}",
            f"{sum(row['cpu'] for row in rows) / seconds:.2f}",
        ]


def _part_names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["parts"]))


def _part_rows(own: Mapping[str, Rows], everything: Rows) -> Iterator[list[str]]:
    for policy, rows in own.items():
        words = max(1, sum(row["words"] for row in rows))
        means = [sum(row["parts"].get(name, 0.0) for row in rows) / words for name in _part_names(everything)]
        miss = 1000 * max(row["parts_miss"] for row in rows)
        yield [policy, *(f"{value:.2f}" for value in means), f"{sum(means):.2f}", f"{miss:.2g}"]


TEXT = f"""\
{{Result}}.

Whisper (greedy; tiny.en, French: base) hears a second more at a time, at most 25 s; captions are translated
by the packaged translator. Recordings are joined of {JOINED["captions"]} spoken captions of Multi30k (one
synthetic voice) or {JOINED["people"]} short recordings of people (telephone prompts of at least three words
by a professional speaker of each language, and single English sentences by others), with {PAUSE:g} s of
silence between. LongYAAL is the mean over the
segments, by the sound that was needed. The score of AlignAtt at a latency lies on the line between its
settings; intervals resample recordings, all settings together. Differences are signed so that more is better.

Times are of a machine on which other work ran; CPU seconds count both threads."""

PAGES = {
    "simultaneous": Page(
        "While the speaker speaks",
        "Is AlignAtt better than local agreement at the same latency?",
        TEXT,
        _result,
        _blocks,
        read=lambda measured: {name: measured[name] for name in SETTINGS if name in measured},
        facts=lambda values: {},
    )
}
