"""Contributions of the parts of a system as texts: rows of a table, report sections, the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.attribution.contribution import Contribution, Share
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, Estimate
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.run_printing import describe_too_few
from reports.terminal.tables import new_table


def build_rows(contribution: Contribution) -> Iterator[dict[str, str]]:
    """A row per part: its model, its score alone, what is lost without it, its share."""
    digits = _digits(contribution)
    for share in contribution.shares:
        cells = {
            "part": share.part,
            "model": share.model,
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
    """What is lost without each part, the most first; of rounds, which follow each other, what each adds."""
    if contribution.n < MIN_UTTERANCES:
        return describe_too_few(contribution.n)
    shares = sorted(
        (share for share in contribution.shares if share.lost or share.share),
        key=lambda share: -_points_of(share).value,
    )
    return "; ".join(_describe_part(share, _digits(contribution)) for share in shares)


def _points_of(share: Share) -> Estimate:
    """What is lost without a part or, where that is not known, what it adds to those before it."""
    points = share.lost or share.share
    return Estimate(value=0.0, interval=None) if points is None else points


def _describe_part(share: Share, digits: int) -> str:
    points = _points_of(share)
    low, high = points.interval or (points.value, points.value)
    if low == high == 0:
        return f"without {share.part} nothing changes" if share.lost else f"{share.part} adds nothing"
    doubt = ", not told from nothing" if low <= 0 <= high else ""
    if not share.lost:
        return f"{share.part} adds {format_estimate(points, digits=digits)}{doubt}"
    if points.value < 0:
        points = Estimate(value=-points.value, interval=(-high, -low) if points.interval else None)
        return f"without {share.part} {format_estimate(points, digits=digits)} is gained{doubt}"
    return f"without {share.part} {format_estimate(points, digits=digits)} is lost{doubt}"


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
        listed = new_table(*(name if name in ("part", "model") else f">{name}" for name in columns))
        for row in cells:
            listed.add_row(*(Text(to_printable(row.get(name, ""))) for name in columns))
        console.print(listed)
    for signature in dict.fromkeys(contribution.signature for contribution in contributions):
        console.print(Text(to_printable(signature), "dim"))
