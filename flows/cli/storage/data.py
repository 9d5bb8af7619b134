"""``antiphon data``: look at a data set before anything is run on it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from components.data import Dataset

data_app = typer.Typer(help="Look at data sets before anything is run on them.", no_args_is_help=True)
MAX_LISTED = 20
"""Quarantined records that the table lists; --json lists all."""

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[MANIFEST]",
        help="A manifest, tars, Parquet, PATH.en,PATH.de, plain text, a URL, sample or multi30k:SPLIT.",
    ),
]
AudioFiles = Annotated[
    list[str] | None,
    typer.Option("--audio", metavar="FILE", help="A recording or a pattern of them instead; repeatable."),
]
FromLanguage = Annotated[
    str | None,
    typer.Option("--source-language", help="Language of records that state none; leaves out others."),
]
ToLanguage = Annotated[str | None, typer.Option("--target-language", help="Whose references count.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Look at the first records only.")]
FormatName = Annotated[
    str | None,
    typer.Option("--format", help="A format such as nemo or tsv; detected if omitted."),
]
Decode = Annotated[bool, typer.Option("--decode", help="Decode all audio too: finds NaN and damage inside.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on the last line of standard output.")]


@data_app.callback()
def _data() -> None:
    """Keep ``check`` a subcommand although it is the only one."""


@data_app.command()
def check(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    source: Source = None,
    audio: AudioFiles = None,
    source_language: FromLanguage = None,
    target_language: ToLanguage = None,
    limit: Limit = None,
    format: FormatName = None,  # noqa: A002 - the name of the flag
    decode: Decode = False,
    as_json: Json = False,
) -> None:
    """Read a data set or recordings, look at every audio file's headers, count what is fine and what is not.

    Exit code: 0 all records are fine; 3 some are quarantined; 2 the set cannot be read at all.
    """
    from components.data import from_audio, load
    from components.errors import AntiphonError, ConfigError

    try:
        if (source is None) == (not audio):
            raise ConfigError("expected a manifest or --audio, one of the two")
        options: dict[str, Any] = {
            "source_language": source_language,
            "target_language": target_language,
            "limit": limit,
        }
        dataset = from_audio(audio, **options) if audio else load(source or "", format=format, **options)
    except AntiphonError as error:
        typer.echo(f"antiphon: {error}", err=True)
        raise typer.Exit(2) from None
    if decode:
        dataset = _quarantine_undecodable(dataset)
    summary = summarize(dataset)
    if as_json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    else:
        _print_summary(summary)
    raise typer.Exit(3 if dataset.quarantined else 0)


def summarize(dataset: Dataset) -> dict[str, object]:
    """Counts of a data set: records, audio, languages, references, and each quarantined record."""
    utterances = dataset.utterances
    recordings = [utterance.audio for utterance in utterances if utterance.audio]
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "ok": len(utterances),
        "quarantined": len(dataset.quarantined),
        "with_audio": len(recordings),
        "audio_seconds": round(sum(recording.seconds for recording in recordings), 2),
        "longest_seconds": round(max((recording.seconds for recording in recordings), default=0.0), 2),
        "sample_rates": dict(sorted(Counter(str(recording.sample_rate) for recording in recordings).items())),
        "with_text": sum(utterance.text is not None for utterance in utterances),
        "with_transcript": sum(utterance.transcript is not None for utterance in utterances),
        "with_references": sum(bool(utterance.references) for utterance in utterances),
        "source_languages": dict(Counter(utterance.source_language for utterance in utterances)),
        "target_languages": dict(Counter(utterance.target_language or "none" for utterance in utterances)),
        "reasons": dict(Counter(bad.reason for bad in dataset.quarantined)),
        "faults": [
            bad.model_dump(include={"utterance_id", "reason", "detail"}) for bad in dataset.quarantined
        ],
        "notes": list(dataset.notes),
    }


def _quarantine_undecodable(dataset: Dataset) -> Dataset:
    """Return the data set without the utterances whose audio cannot be decoded, which are quarantined."""
    from components import audio
    from components.data.dataset import STAGE, assemble
    from components.errors import DataError
    from components.records import Quarantined

    good, bad = [], list(dataset.quarantined)
    for utterance in dataset.utterances:
        try:
            if utterance.audio:
                audio.decode(utterance.audio)
        except DataError as error:
            bad.append(
                Quarantined(
                    utterance_id=utterance.id, stage=STAGE, reason="unreadable audio", detail=str(error)
                )
            )
        else:
            good.append(utterance)
    return assemble(dataset.name, good, bad, dataset.notes)


def _print_summary(summary: dict[str, object]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console(soft_wrap=True, highlight=False)
    table = Table(
        "what",
        Column("value", overflow="fold"),
        title=escape(f"data set {summary['name']}"),
        title_justify="left",
    )
    for name, value in summary.items():
        if name not in ("name", "faults", "notes"):
            text = ", ".join(f"{key} {n}" for key, n in value.items()) if isinstance(value, dict) else value
            table.add_row(name.replace("_", " "), escape(_escape_unprintable(text)))
    console.print(table)
    notes, faults = summary["notes"], summary["faults"]
    assert isinstance(notes, list)
    assert isinstance(faults, list)
    for note in notes:
        console.print(escape(_escape_unprintable(f"note: {note}")))
    for fault in faults[:MAX_LISTED]:
        console.print(escape(_escape_unprintable(f"quarantined: {fault['detail']}")))
    if len(faults) > MAX_LISTED:
        console.print(f"... and {len(faults) - MAX_LISTED} more; --json lists all")


def _escape_unprintable(value: object) -> str:
    """Text without control characters, so that data cannot steer the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(value))
