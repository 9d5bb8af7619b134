"""AlignAtt against local agreement while the speaker speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page
from benchmarks.quality.simultaneous.comparison import (
    Difference,
    by_policy,
    compare_at_latency,
    measure_points,
)
from benchmarks.quality.simultaneous.recordings import JOINED, PAUSE
from benchmarks.quality.simultaneous.replays import METRIC, SETTINGS

LABELS = {"bleu": "BLEU", "wer": "WER"}
OUTPUT = {"captions": "translation", "people": "transcript"}
Rows = Sequence[Mapping[str, Any]]


def _result(measurements: Mapping[str, Rows]) -> str:
    return "; ".join(_say(name, compare_at_latency(name, rows)[0]) for name, rows in measurements.items())


def _say(name: str, first: Difference) -> str:
    metric = LABELS[METRIC[name]]
    low, high = first.interval
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
    return (
        f"{name}: at the LongYAAL of {first.policy} ({first.lag:.2f} s) AlignAtt is {verdict} it "
        f"({first.value:+.1f} {metric}, {low:+.1f} to {high:+.1f}; more is better)"
    )


def _blocks(measurements: Mapping[str, Rows]) -> Iterator[str]:
    for name, rows in measurements.items():
        own = by_policy(rows)
        recordings = next(iter(own.values()))
        minutes = sum(row["seconds"] for row in recordings) / 60
        of = f"the {OUTPUT[name]} of {len(recordings)} recordings, {minutes:.1f} minutes"
        yield f"## {name.capitalize()}: {of}"
        yield markdown_table(
            [
                *("policy", LABELS[METRIC[name]], "LongYAAL, s", "by the clock, s"),
                *("taken back", "real-time factor", "CPU s per s"),
            ],
            list(_point_rows(name, own)),
        )
        yield markdown_table(
            ["at the LongYAAL of", "s", f"AlignAtt better by, {LABELS[METRIC[name]]}", "beyond its curve"],
            [
                [
                    d.policy,
                    f"{d.lag:.2f}",
                    f"{d.value:+.2f} ({d.interval[0]:+.2f} to {d.interval[1]:+.2f})",
                    f"{d.outside:.0%}",
                ]
                for d in compare_at_latency(name, rows)
            ],
        )
        yield "Where the mean delay of a word by the clock comes from, in seconds:"
        yield markdown_table(
            ["policy", *_part_names(rows), "all", "sum off by, ms"], list(_part_rows(own, rows))
        )


def _point_rows(name: str, own: Mapping[str, Rows]) -> Iterator[list[str]]:
    for policy, rows in own.items():
        point = measure_points(name, rows, np.ones((1, len(rows))))
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

Whisper tiny.en (greedy) hears a second more at a time, at most 25 s; captions are translated by the packaged
translator. Recordings are joined of {JOINED["captions"]} spoken captions of Multi30k (one synthetic voice) or
{JOINED["people"]} short recordings of people (a professional speaker's telephone prompts of at least three
words, and single sentences by others), with {PAUSE:g} s of silence between. LongYAAL is the mean over the
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
