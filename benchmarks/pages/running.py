"""Pages of what running costs beside the models."""

from __future__ import annotations

from typing import Any

from benchmarks.common.tables import format_rows
from benchmarks.pages.page import Page, part

AGAIN, LOOKING = "run cascade, again", ("plan cascade", "inspect RUN")


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


PAGES = {
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
}
"""Page -> its row."""
