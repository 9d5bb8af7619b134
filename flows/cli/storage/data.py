"""``antiphon data``: look at a data set before anything is run on it."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.help.options import AsJson
from flows.cli.help.verbosity import print_notice
from flows.cli.storage import data_sets

if TYPE_CHECKING:
    from components.data import Dataset

PANEL = "Keep"

data_app = typer.Typer(help="Look at data sets before anything runs.", no_args_is_help=True)
data_app.command("list")(data_sets.list_sets)
data_app.command("fetch")(data_sets.fetch)
MAX_LISTED = 20
"""Quarantined records that the table lists; --json lists all."""

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[MANIFEST]",
        help="A manifest, tars, Parquet, PATH.en,PATH.de, plain text, a URL, sample, multi30k:SPLIT or "
        "store:kept/NAME.",
    ),
]
AudioFiles = Annotated[
    list[str] | None,
    typer.Option("--audio", metavar="FILE", help="a recording or a pattern of them instead; repeatable"),
]
FromLanguage = Annotated[
    str | None,
    typer.Option(
        "--source-language", metavar="CODE", help="language of records that state none; leaves out others"
    ),
]
ToLanguage = Annotated[
    str | None, typer.Option("--target-language", metavar="CODE", help="whose references count")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="look at the first records only")
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="a format such as nemo or tsv; detected if omitted"),
]
Decode = Annotated[bool, typer.Option("--decode", help="decode all audio too: finds NaN and damage inside")]


@data_app.command()
def check(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    source: Source = None,
    audio: AudioFiles = None,
    source_language: FromLanguage = None,
    target_language: ToLanguage = None,
    limit: Limit = None,
    format: FormatName = None,  # noqa: A002 - the name of the flag
    decode: Decode = False,
    as_json: AsJson = False,
) -> None:
    """Read a data set or recordings, look at every audio file's headers, count what is fine and what is not.

    Exit code: 0 all records are fine; 3 some are quarantined; 2 the set cannot be read at all.
    """
    from components.data import from_audio, load
    from components.errors import AntiphonError, ConfigError
    from components.storage.places.location import find_in_store

    try:
        if (source is None) == (not audio):
            raise ConfigError("expected a manifest or --audio, one of the two")
        options: dict[str, Any] = {
            "source_language": source_language,
            "target_language": target_language,
            "limit": limit,
        }
        if audio:
            dataset = from_audio(audio, **options)
        else:
            dataset = load(find_in_store(source, None) or "", format=format, **options)
    except AntiphonError as error:
        print_notice(str(error))
        raise typer.Exit(2) from None
    if decode:
        dataset = _quarantine_undecodable(dataset)
    summary = summarize(dataset)
    if as_json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    else:
        _print_summary(summary)
    raise typer.Exit(3 if dataset.quarantined else 0)


@data_app.command()
def announce(
    source: Source = None,
    audio: AudioFiles = None,
    every: Annotated[
        float | None,
        typer.Option(
            "--every", metavar="S", min=1, help="look again after so many seconds, until it is stopped"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell Prefect when a data set has changed: the event antiphon.data.changed starts deployments.

    Looks at names, sizes and times of the files, or asks their server for the version; nothing is read. Give
    it to a timer, or to what an object store calls after an upload. The first look counts as a change.

    Exit code: 0 it has changed; 4 it has not; 2 it cannot be found; 1 the server did not take the event.
    """
    from components.errors import AntiphonError, ConfigError, TransientError
    from components.storage.places.location import find_in_store
    from flows.cli.deploy import make_absolute

    try:
        if (source is None) == (not audio):
            raise ConfigError("expected a manifest or --audio, one of the two")
        _require_server()
        read = make_absolute(find_in_store(source, None) or "") if source else None
        recordings = "\n".join(make_absolute(file, "\n") for file in audio) if audio else None
        changed = _look(read, recordings, as_json=as_json)
        while every is not None:
            time.sleep(every)
            try:
                _look(read, recordings, as_json=as_json)
            except AntiphonError as error:  # a file that is being replaced, a server that starts again
                print_notice(f"{error}; looking again in {every:g} s")
    except TransientError as error:
        print_notice(str(error))
        raise typer.Exit(1) from None
    except AntiphonError as error:
        print_notice(str(error))
        raise typer.Exit(2) from None
    raise typer.Exit(0 if changed else 4)


def _require_server() -> None:
    from prefect.settings import PREFECT_API_URL

    from components.errors import ConfigError

    if not PREFECT_API_URL.value():
        raise ConfigError(
            "expected a Prefect server, found none: set PREFECT_API_URL, as where its workers are started"
        )


def _look(data: str | None, audio: str | None, *, as_json: bool) -> bool:
    """Return whether a data set has changed, which is told to Prefect and on standard output."""
    from components.data.memory.announced_changes import note_changes

    changed = note_changes(data, audio, lambda: _announce(data, audio))
    if as_json:
        sys.stdout.write(json.dumps({"data": data, "audio": audio, "changed": changed}) + "\n")
    else:
        sys.stdout.write(f"{data or audio}: {'changed, announced' if changed else 'unchanged'}\n")
    sys.stdout.flush()
    return changed


def _announce(data: str | None, audio: str | None) -> None:
    """Send the event of a change, and wait until the server has it: `emit_event` would only try.

    Raises:
        TransientError: it does not take it.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.events import Event, Resource

    from components.errors import TransientError, to_one_line

    name = data or (audio or "").partition("\n")[0]
    event = Event(
        event="antiphon.data.changed",
        resource=Resource({"prefect.resource.id": f"antiphon.data.{name}", "prefect.resource.name": name}),
        payload={"data": data, "audio": audio},
    )
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()
    except httpx.HTTPError as error:
        raise TransientError(
            f"{name}: changed, but the Prefect server at PREFECT_API_URL did not take the event: "
            f"{to_one_line(error, 200)}; the next look announces it"
        ) from None


def summarize(dataset: Dataset) -> dict[str, object]:
    """Return counts of a data set: records, audio, languages, references, and each quarantined record."""
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
    from components.data.dataset import STAGE
    from components.errors import DataError
    from components.records import Quarantined, Utterance

    rows = []
    for row in dataset.rows:
        try:
            if isinstance(row.record, Utterance) and row.record.audio:
                audio.decode(row.record.audio)
            rows.append(row)
        except DataError as error:
            bad = Quarantined(utterance_id=row.id, stage=STAGE, reason="unreadable audio", detail=str(error))
            rows.append(row._replace(record=bad))
    return replace(dataset, rows=tuple(rows))


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
    """Return the text without control characters, so that data cannot steer the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(value))
