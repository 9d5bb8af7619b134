"""The page of what a command takes that needs no model."""

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
}
"""Page -> its row."""
