"""How good is long audio?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

SYSTEMS = ("openai-whisper", "Antiphon")
LANGUAGES = {"en": "English", "de": "German"}
Rates = dict[str, list[tuple[float, ...]]]
PROTOCOL = """\
Recordings of one language that have a transcript, joined to one with 0.6 s between them; order 0 is the
manifest's, the others are shuffled. Greedy, float32, language given, no previous text, the same thresholds.
WER in percent, by the normalizer of the language. The orders are of the same recordings, so they say how
much the cuts of windows matter, not how other speakers would do; with three or four of them there is no
interval. A mean of so few can be made by one order: the median is the number to read."""


def page(measurements: Measurements) -> str:
    """One row an order, then medians and means."""
    rows = []
    for recording in measurements["texts"]:
        cells = (f"{recording['wer'][system]:.2f}" for system in SYSTEMS)
        rows.append([recording["language"], str(recording["order"]), f"{recording['seconds']:.0f}", *cells])
    for language, rates in by_language(measurements).items():
        for name, of in (("median", statistics.median), ("mean", statistics.mean)):
            cells = (f"{of(column):.2f}" for column in zip(*rates, strict=True))
            rows.append([language, name, "", *(f"**{c}**" if name == "median" else c for c in cells)])
    return "\n\n".join(
        [
            "# Long audio, Whisper base: word errors",
            f"Median WER over the orders, least and greatest in brackets: {_result(measurements)}.",
            one_paragraph(PROTOCOL),
            markdown_table(["language", "order", "seconds", *SYSTEMS], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    result = f"median WER of several orders, least and greatest in brackets: {_result(measurements)}"
    return "How good is long audio?", result


def by_language(measurements: Measurements) -> Rates:
    """Language -> the rates of both systems, order by order."""
    rates: Rates = {}
    for recording in measurements["texts"]:
        pair = tuple(recording["wer"][system] for system in SYSTEMS)
        rates.setdefault(recording["language"], []).append(pair)
    return rates


def _result(measurements: Measurements) -> str:
    parts = []
    for language, rates in by_language(measurements).items():
        theirs, ours = zip(*rates, strict=True)
        parts.append(f"{LANGUAGES[language]} {_spread(ours)}, openai-whisper {_spread(theirs)}")
    return "; ".join(parts)


def _spread(rates: Sequence[float]) -> str:
    """Median, least and greatest."""
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
