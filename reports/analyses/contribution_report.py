"""Contributions of the parts of a system as texts: rows of a table, report sections, the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.analysis.contribution import Contribution
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.tables import new_table


def build_rows(contribution: Contribution) -> Iterator[dict[str, str]]:
    """A row per part: its score alone, what is lost without it, its share."""
    digits = 4 if contribution.metric == "log-likelihood" else 2
    for share in contribution.shares:
        cells = {
            "part": share.part,
            "alone": "" if share.alone is None else format_estimate(share.alone, sign=False, digits=digits),
            "lost without it": "" if share.lost is None else format_estimate(share.lost, digits=digits),
            "share": "" if share.share is None else format_estimate(share.share, digits=digits),
        }
        yield {"part": cells.pop("part")} | {name: text for name, text in cells.items() if text}


def summarize(contribution: Contribution) -> str:
    """The system's score with all parts and with none, in a line."""
    name = label_of(contribution.metric)
    return (
        f"{contribution.title}: {name} {contribution.score.value:.2f} with all, "
        f"{contribution.nobody:.2f} with none ({contribution.empty}); {contribution.n} of "
        f"{contribution.n_total} utterances"
    )


def build_tables(contributions: Sequence[Contribution]) -> dict[str, object]:
    """The content of a stage's ``tables.json``: one report section per system."""
    return {
        "tables": [
            {
                "title": f"Contribution: {contribution.title}",
                "note": f"{summarize(contribution)}. {contribution.signature}",
                "rows": list(build_rows(contribution)),
            }
            for contribution in contributions
        ]
    }


def print_contributions(contributions: Sequence[Contribution], console: Console) -> None:
    """Print one table per system, under its summary."""
    for contribution in contributions:
        console.print(Text(to_printable(summarize(contribution)), "bold"))
        cells = list(build_rows(contribution))
        columns = list(dict.fromkeys(name for row in cells for name in row))
        listed = new_table(*(name if name == "part" else f">{name}" for name in columns))
        for row in cells:
            listed.add_row(*(Text(to_printable(row.get(name, ""))) for name in columns))
        console.print(listed)
    for signature in dict.fromkeys(contribution.signature for contribution in contributions):
        console.print(Text(to_printable(signature), "dim"))
