"""How long does a command take that needs no model?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

AGAIN = "run cascade, again"
LOOKING = ("plan cascade", "inspect RUN")
PROTOCOL = """\
Whole processes, `antiphon` and its own Prefect server where it starts one, over a store in which the demo
has run; median of {rounds} rounds. The bar is that of issue 17."""


def page(measurements: Measurements) -> str:
    """One row a command."""
    values = measurements["seconds"]
    rows = [
        [
            name,
            f"{row['wall']:.2f}",
            f"{row['least']:.2f} to {row['most']:.2f}",
            f"{row['cpu']:.2f}",
            f"{row['bar']:.1f}",
        ]
        for name, row in values["commands"].items()
    ]
    return "\n\n".join(
        [
            "# How long a command takes that needs no model",
            f"{_result(measurements).capitalize()}.",
            one_paragraph(PROTOCOL.format(rounds=values["rounds"])),
            markdown_table(["antiphon", "wall s", "least to most", "CPU s", "bar s"], rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "How long does a command take that needs no model?", _result(measurements)


def _result(measurements: Measurements) -> str:
    wall = {name: row["wall"] for name, row in measurements["seconds"]["commands"].items()}
    looking = max(wall[name] for name in LOOKING)
    return (
        f"an unchanged rerun of the demo takes {wall[AGAIN]:.1f} s, `--help` {wall['--help']:.1f} s, "
        f"`plan` and `inspect` {looking:.1f} s at most"
    )
