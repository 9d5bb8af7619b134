"""`antiphon campaign import`: the answers to a campaign as scores of systems."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.text.counted_nouns import format_count
from flows.cli.help.options import AsJson

if TYPE_CHECKING:
    from components.campaign.unblinding import Unblinded


def import_answers(
    answers: Annotated[
        list[Path],
        typer.Argument(
            metavar="ANSWERS...",
            help="pearmut's data/annotations/CAMPAIGN.jsonl, its dashboard's download, or filled-in tables",
        ),
    ],
    campaign: Annotated[
        Path, typer.Option("--campaign", metavar="FOLDER", help="what `antiphon campaign` wrote")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="scores to write")] = Path("scores.tsv"),
    keep_all: Annotated[
        bool,
        typer.Option(
            "--keep-all", help="also annotators who failed more than half of their attention checks"
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file of scores")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the answers to a campaign and write them as scores of the systems: id, system, value, annotator.

    Examples:
    - `antiphon campaign import data/annotations/trial.jsonl --campaign trial --out scores.tsv`

    - `antiphon campaign import anna.tsv ben.tsv --campaign trial`, then
      `antiphon compare small large --scores esa=scores.tsv --metric esa`
    """
    from components.campaign.folder import read_key
    from components.campaign.unblinding import encode_scores, read_answers, unblind
    from components.errors import ConfigError
    from components.files.files import write_bytes

    if out.exists() and not overwrite:
        raise ConfigError(f"{out}: expected no file there, found one; --overwrite replaces it")
    key = read_key(campaign)
    unblinded = unblind(read_answers(answers, key.campaign), key, keep_all=keep_all)
    write_bytes(out, encode_scores(unblinded.scores))
    sys.stdout.write("".join(f"{line}\n" for line in _describe_answers(unblinded, out)))
    if as_json:
        numbers = unblinded._asdict() | {"scores": str(out), "checks": {}}
        numbers["checks"] = {who: of._asdict() for who, of in unblinded.checks.items()}
        sys.stdout.write(json.dumps(numbers) + "\n")


def _describe_answers(unblinded: Unblinded, out: Path) -> list[str]:
    """Return what became of the answers."""
    from components.text.escaping import to_printable

    who = len({score.annotator for score in unblinded.scores})
    lines = [
        f"{unblinded.judged:,} of {unblinded.expected:,} outputs judged by {format_count(who, 'annotator')}"
        f": {format_count(len(unblinded.scores), 'score')} in {out}"
    ]
    if unblinded.replaced:
        lines.append(f"given again: {format_count(unblinded.replaced, 'answer')}; the last one counts")
    if unblinded.unknown:
        lines.append(f"{format_count(unblinded.unknown, 'answer')} to items that the campaign lacks left out")
    for name, checks in unblinded.checks.items():
        left_out = "; left out (--keep-all keeps them)" if name in unblinded.left_out else ""
        if checks.answered:
            passed = f"{checks.passed} of {checks.answered} attention checks passed"
            lines.append(f"{to_printable(name)}: {passed}{left_out}")
    return lines
