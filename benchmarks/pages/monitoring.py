"""Is it still as good? Tests to look at every day, alarms without references, memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.pages.page import Page
from benchmarks.quality.monitoring.probing import LEVEL, RECORDINGS, power
from benchmarks.quality.monitoring.sequential import LEAST, LIFE
from benchmarks.quality.monitoring.watching import ACCEPTED, BEFORE, TRUTH

LABELS = {"bleu": "BLEU", "wer": "WER"}


def _large(rows: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["metric"] == metric and abs(row["difference"]) >= LEAST]


def _saved(row: Mapping[str, Any]) -> float:
    return float(1 - median(row["decided"]) / row["n"])


def _delay(of: Mapping[str, Any]) -> float:
    return float(median(math.inf if delay is None else delay for delay in of["delays"]))


def _result(measurements: Measurements) -> str:
    replays, savings = measurements["replays"], measurements["savings"]
    rates = [row["alarms"]["sequential"] / row["replays"] for row in replays]
    fixed = [row["alarms"]["fixed"] / row["replays"] for row in replays]
    saved = {metric: median(map(_saved, _large(savings, metric))) for metric in LABELS}
    life, changes = measurements["life"], measurements["changes"]
    utterances = f"{life['utterances']:,}"
    delays = [_delay(of) for of in changes.values()]
    return (
        f"looked at after every 25 of {LIFE:,} utterances, the sequential test gives a false alarm in "
        f"{min(rates):.1%} to {max(rates):.1%} of replays, the fixed test in {min(fixed):.0%} to "
        f"{max(fixed):.0%}; kept differences of a point or more take {saved['bleu']:.0%} (BLEU) and "
        f"{saved['wer']:.0%} (WER) fewer utterances in the median; watching gave {life['alarms']} false "
        f"alarms in {utterances} utterances and found changes after {min(delays):.0f} to {max(delays):.0f}"
    )


def _blocks(measurements: Measurements) -> Iterator[str]:
    yield "## False alarms of a comparison"
    names = {"sequential": "sequential", "fixed": "fixed, every look", "fixed at the end": "fixed, one look"}
    yield markdown_table(
        ["metric", *names.values(), "replays", "systems"],
        [
            [
                LABELS[row["metric"]],
                *(f"{row['alarms'][name] / row['replays']:.1%}" for name in names),
                f"{row['replays']:,}",
                row["pair"],
            ]
            for row in measurements["replays"]
        ],
    )
    yield "## Utterances saved"
    yield markdown_table(
        [
            "metric",
            "difference in points",
            "decided, of pairs",
            "saved, median",
            "wrong, of orders",
            "pseudo-values' mean off by",
            "at most",
        ],
        list(_saving_rows(measurements["savings"])),
    )
    yield "## Watching"
    yield _describe_life(measurements["life"])
    yield markdown_table(
        [
            "change",
            "found after, median",
            "within 100",
            "not found",
            "before the change",
            "stage named",
            "right stage",
        ],
        [_change_row(name, of) for name, of in measurements["changes"].items()],
    )
    if "probe" in measurements:
        yield from _describe_probes(measurements["probe"])


def _describe_probes(probes: Mapping[str, Any]) -> Iterator[str]:
    yield "## Memorized or heard"
    yield one_paragraph(MEMORY)
    rows = []
    for label, words in probes.items():
        for kind in dict.fromkeys(word[0] for word in words):
            values = power(words, kind)
            rows.append(
                [
                    label,
                    kind,
                    f"{values['words']:.0f} in {values['recordings']:.0f}",
                    f"{values['written']:.0%}",
                    f"{values['guessed']:.0%}",
                    f"{values['p']:.2g}",
                    f"{values['found']:.1%}",
                ]
            )
    yield markdown_table(
        ["recognizer", "change", "words", "written", "guessed", "p", f"found at {LEVEL:.0%} on {RECORDINGS}"],
        rows,
    )


def _saving_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for metric, label in LABELS.items():
        for name, most in (("1 and more", math.inf), ("1 to 2", 2 * LEAST)):
            chosen = [row for row in _large(rows, metric) if abs(row["difference"]) < most]
            if chosen:
                decided = sum(median(row["decided"]) < row["n"] for row in chosen)
                errors = [row["error"] for row in chosen]
                orders = sum(len(row["decided"]) for row in chosen)
                yield [
                    label,
                    name,
                    f"{decided} of {len(chosen)}",
                    f"{median(map(_saved, chosen)):.0%}",
                    f"{sum(row['wrong'] for row in chosen)} of {orders:,}",
                    f"{median(errors):.2g}",
                    f"{max(errors):.2g}",
                ]


def _describe_life(life: Mapping[str, Any]) -> str:
    alarms, lives, utterances = (life[name] for name in ("alarms", "replays", "utterances"))
    return (
        f"Without a change: {alarms} of {lives:,} lives of {LIFE:,} utterances gave an alarm "
        f"({alarms / lives:.2%}; 1% is allowed), {10_000 * alarms / utterances:.2g} in 10,000 utterances."
    )


def _change_row(name: str, of: Mapping[str, Any]) -> list[str]:
    delays = [math.inf if delay is None else delay for delay in of["delays"]]
    stages = ", ".join(f"{stage} {count}" for stage, count in of["stages"].items())
    return [
        name,
        f"{_delay(of):.0f}",
        f"{sum(delay <= 100 for delay in delays) / len(delays):.0%}",
        str(sum(math.isinf(delay) for delay in delays)),
        str(of["early"]),
        stages,
        f"{of['stages'].get(TRUTH[name], 0) / len(delays):.0%}",
    ]


TEXT = f"""\
{{Result}}.

Comparisons: utterances and statistics that other pages keep. Without a difference, {LIFE:,} utterances are
drawn with replacement and their outputs exchanged between two systems at random; the fixed test is a paired
z-test of the same pseudo-values at 5%. Saved: 1 less the utterances until the first decision, at a look
after every 25, over all that are kept, the median of five random orders; a pair that is never decided
saves nothing.

Watching: captions of Multi30k by flite's voice slt through tiny.en, routed to base, and a translator; the
changes are 100 captions each (pink noise at 10 dB; the voice rms; sentences of Tatoeba; the second half
silent; base in the place of tiny.en; a translator of which 45% of the weights are zero). {ACCEPTED} accepted
utterances, {BEFORE} before the change and 150 after it are drawn with replacement from these; looked at
after every 25. Counted is the utterance at which the alarm is given. Right is the stage in which the
change was made, of all replays."""
MEMORY = """\
The 50 spoken captions, two silenced words and two of a replaced opening each; a recognizer that was
fine-tuned on these very recordings (16 passes), and the one that it began from. Found: of 1,000 draws of 50
recordings."""

PAGES = {
    "monitoring": Page(
        "Is it still as good?",
        "How often does one look in vain, and how soon is a change found?",
        TEXT,
        _result,
        _blocks,
        facts=lambda values: {},
    )
}
