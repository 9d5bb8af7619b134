"""Pages of what running costs beside the models."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common.tables import format_rows
from benchmarks.pages.page import Page, part

OPEN, SEARCH = "open: drawn and a key answered", "first search (reads the index)"
REPORT_BAR = 2.0
"""Seconds until a report is ready."""
AGAIN, LOOKING = "run cascade, again", ("plan cascade", "inspect RUN")


def _orchestration(values: Any) -> str:
    shares = [100 * (times["ratio"] - 1) for times in values["rounds"]]
    again = statistics.median(times["prefect"]["again"] for times in values["rounds"])
    return (
        f"{statistics.median(shares):.1f}% more time on {values['utterances']} utterances (median of "
        f"{len(shares)} rounds: {', '.join(f'{share:.1f}' for share in shares)}%); an unchanged rerun "
        f"{again:.0f} s"
    )


def _startup(values: Any) -> str:
    wall = {name: row["wall"] for name, row in values["commands"].items()}
    looking = max(wall[name] for name in LOOKING)
    return (
        f"an unchanged rerun of the demo takes {wall[AGAIN]:.1f} s, `--help` {wall['--help']:.1f} s, "
        f"`plan` and `inspect` {looking:.1f} s at most"
    )


def _parses(run: Any) -> dict[str, float]:
    parses = run["parses"]
    return {
        "utterances": parses.get("Utterance", 0),
        "nbests": parses.get("NBest", 0),
        "peak_mb": run["peak_bytes"] / 1e6,
    }


def _driver(values: Any) -> str:
    run = values["runs"]["a new run"]
    counts = _parses(run)
    return (
        f"{counts['utterances']:,} of {values['rows']:,} utterances and {counts['nbests']:,} n-best lists, "
        f"those that are shown, in {run['cpu_seconds']:.1f} s of CPU time"
    )


def _report(values: Any) -> str:
    acts = values["acts"]
    return f"in {acts[OPEN]['median']:.2f} s; the first search takes {acts[SEARCH]['median']:.2f} s"


PAGES = {
    "orchestration": Page(
        title="What orchestration costs",
        question="What do Prefect and the store cost?",
        read=part("rounds"),
        result=_orchestration,
        text="""\
The flow takes {result}.

The cascade (Whisper base greedy, English-German beam 5) on {utterances} utterances, the sample set repeated,
as a Prefect flow with the store, metrics, report and artifacts, against the same component calls in a loop
that appends to plain files (with the same scores). Each in a fresh process, in turn; seconds, model loading
included, imports not; the report and its plots are written by the flow only. Calls: recognition and
translation alone, as each side measures them. Start-up: server and imports. Bar: a median ratio of 1.03 at
most.""",
        blocks=lambda values: [
            format_rows(
                values["rounds"],
                {
                    "round": "{name}",
                    "bare loop": "{bare[seconds]:.1f}",
                    "flow": "{prefect[seconds]:.1f}",
                    "ratio": "{ratio:.3f}",
                    "calls, loop": "{bare[calls]:.1f}",
                    "calls, flow": "{prefect[calls]:.1f}",
                    "unchanged rerun": "{prefect[again]:.1f}",
                    "start-up": "{prefect[startup]:.1f}",
                },
            )
        ],
    ),
    "startup": Page(
        title="How long a command takes that needs no model",
        question="How long does a command take that needs no model?",
        read=part("seconds"),
        result=_startup,
        text="""\
{Result}.

Whole processes, `antiphon` and its own Prefect server where it starts one, over a store in which the demo
has run; median of {rounds} rounds. The bar is that of issue 17.""",
        blocks=lambda values: [
            format_rows(
                values["commands"],
                {
                    "antiphon": "{name}",
                    "wall s": "{wall:.2f}",
                    "least to most": "{least:.2f} to {most:.2f}",
                    "CPU s": "{cpu:.2f}",
                    "bar s": "{bar:.1f}",
                },
            )
        ],
    ),
    "driver": Page(
        title="What the driver of a run does by itself",
        question="What does the driver do for each row?",
        read=part("runs"),
        result=_driver,
        text="""\
It parses {result}.

A graph of one `python` node over {rows:,} synthetic texts with references, with metrics and report, each run
in a fresh process. Parses are of utterances and n-best lists, outside of the computation of shards; the page
shows 500 utterances, an artifact 20, the terminal 3. CPU time and memory are of the process that drives the
run, Prefect server, the node's shards and imports included; metrics are counted by further processes.""",
        blocks=lambda values: [
            format_rows(
                {name: run | _parses(run) for name, run in values["runs"].items()},
                {
                    "run": "{name}",
                    "parses of utterances": "{utterances:,}",
                    "parses of n-best lists": "{nbests:,}",
                    "CPU s": "{cpu_seconds:.1f}",
                    "peak memory, MB": "{peak_mb:,.0f}",
                },
            )
        ],
    ),
    "speed-report": Page(
        title="How long a report of {utterances:,} utterances takes to open",
        question="How fast does a report of {utterances:,} utterances open?",
        read=part("seconds"),
        facts=lambda values: {
            **values,
            "bar": REPORT_BAR,
            "verdict": "met" if values["acts"][OPEN]["slowest"] < REPORT_BAR else "missed",
        },
        result=_report,
        text="""\
It opens {result}.

A made-up cascade of {utterances:,} utterances with audio, n-best lists and tokens, opened from disk in
headless Chromium, in {rounds} new browsers (and one before them that is not counted). Page {page:.2f} MiB,
data beside it {data:.1f} MiB, written in {wrote:.1f} s. Ready is when the first page of utterances is drawn
and a key has moved to the first of them; a search, when its result is drawn. Aim: ready in less than
{bar:g} s, {verdict} in the slowest round.""",
        blocks=lambda values: [
            format_rows(
                values["acts"], {"act": "{name}", "median": "{median:.2f} s", "slowest": "{slowest:.2f} s"}
            )
        ],
    ),
}
"""Page -> its row."""
