"""How fast does a report of thousands of utterances open?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

OPEN, SEARCH = "open: drawn and a key answered", "first search (reads the index)"
BAR = 2.0
"""Seconds until it is ready."""
PROTOCOL = """\
A made-up cascade of {utterances:,} utterances with audio, n-best lists and tokens, opened from disk in
headless Chromium, in {rounds} new browsers (and one before them that is not counted). Page {page:.2f} MiB,
data beside it {data:.1f} MiB, written in {wrote:.1f} s. Ready is when the first page of utterances is drawn
and a key has moved to the first of them; a search, when its result is drawn. Aim: ready in less than
{bar:g} s, {verdict} in the slowest round."""


def page(measurements: Measurements) -> str:
    """One row an act."""
    values = measurements["seconds"]
    acts = values["acts"]
    rows = [[name, f"{act['median']:.2f} s", f"{act['slowest']:.2f} s"] for name, act in acts.items()]
    verdict = "met" if acts[OPEN]["slowest"] < BAR else "missed"
    sizes = {key: values[key] for key in ("utterances", "rounds", "page", "data", "wrote")}
    return "\n\n".join(
        [
            f"# How long a report of {values['utterances']:,} utterances takes to open",
            f"It opens {_result(measurements)}.",
            one_paragraph(PROTOCOL.format(**sizes, bar=BAR, verdict=verdict)),
            markdown_table(["act", "median", "slowest"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    utterances = measurements["seconds"]["utterances"]
    return f"How fast does a report of {utterances:,} utterances open?", _result(measurements)


def _result(measurements: Measurements) -> str:
    acts = measurements["seconds"]["acts"]
    return f"in {acts[OPEN]['median']:.2f} s; the first search takes {acts[SEARCH]['median']:.2f} s"
