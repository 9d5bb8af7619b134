"""Contributions of the parts of a system as texts: rows of a table, report sections, the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.analysis.contribution import Contribution
from components.metrics.bootstrap import MIN_UTTERANCES
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.run_printing import describe_too_few
from reports.terminal.tables import new_table


def build_rows(contribution: Contribution) -> Iterator[dict[str, str]]:
    """A row per part: its score alone, what is lost without it, its share."""
    digits = _digits(contribution)
    for share in contribution.shares:
        cells = {
            "part": share.part,
            "alone": "" if share.alone is None else format_estimate(share.alone, sign=False, digits=digits),
            "lost without it": "" if share.lost is None else format_estimate(share.lost, digits=digits),
            "share": "" if share.share is None else format_estimate(share.share, digits=digits),
        }
        yield {"part": cells.pop("part")} | {name: text for name, text in cells.items() if text}


def _digits(contribution: Contribution) -> int:
    return 4 if contribution.metric == "log-likelihood" else 2


def summarize(contribution: Contribution) -> str:
    """The system's score with all parts and with none, in a line."""
    name = label_of(contribution.metric)
    return (
        f"{contribution.title}: {name} {contribution.score.value:.2f} with all, "
        f"{contribution.nobody:.2f} with none ({contribution.empty}); {contribution.n} of "
        f"{contribution.n_total} utterances"
    )


def describe_parts(contribution: Contribution) -> str:
    """Which parts add to the score and by how much, the largest first, and of which that cannot be told."""
    if contribution.n < MIN_UTTERANCES:
        return describe_too_few(contribution.n)
    digits = _digits(contribution)
    gains = [(each.part, each.share or each.lost) for each in contribution.shares]
    known = sorted(((gain, part) for part, gain in gains if gain is not None), key=lambda row: -row[0].value)
    verdicts, unsure = [], []
    for gain, part in known:
        low, high = gain.interval or (gain.value, gain.value)
        if low <= 0 <= high:
            unsure.append(part)
        else:
            verdicts.append(f"{part} adds {format_estimate(gain, digits=digits)}")
    if unsure:
        verdicts.append(f"not told from nothing: {', '.join(unsure)}")
    return "; ".join(verdicts)


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
    """Print one table per system, under what its parts add and its scores."""
    for contribution in contributions:
        if parts := describe_parts(contribution):
            console.print(Text(to_printable(f"{contribution.title}: {parts}"), "bold"))
        console.print(Text(to_printable(summarize(contribution))))
        cells = list(build_rows(contribution))
        columns = list(dict.fromkeys(name for row in cells for name in row))
        listed = new_table(*(name if name == "part" else f">{name}" for name in columns))
        for row in cells:
            listed.add_row(*(Text(to_printable(row.get(name, ""))) for name in columns))
        console.print(listed)
    for signature in dict.fromkeys(contribution.signature for contribution in contributions):
        console.print(Text(to_printable(signature), "dim"))
