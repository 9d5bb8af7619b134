"""`antiphon runs import-outputs`: what another system made of a data set, as a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import ConfigError, DataError
from flows.cli.files.input_files import load_usable
from flows.cli.help.options import AsJson, Replace, StoreUrl
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.imported_texts.outputs import Output, Outputs
    from components.records import Utterance


def import_outputs(  # noqa: PLR0913, PLR0917 - one argument per flag
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="its outputs, or a folder with a file per recording")
    ],
    data: Annotated[str, typer.Option("--data", metavar="SET", help="what they are outputs for")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="name of the run, such as whisperx")],
    target: Annotated[
        str | None, typer.Option("--to", metavar="CODE", help="they are translations into this language")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="language of records that state none")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="only the first so many utterances")
    ] = None,
    store: StoreUrl = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Make a run of another system's outputs, to score and compare it.

    FILE is .jsonl, .csv, .tsv (an id and a text), .json (WhisperX, openai-whisper, inspect_ai), .srt, .vtt,
    .ctm, .stm, .trn, or .txt with a line per utterance in the order of the data. Texts are joined by the
    utterance's id, or by the name of its recording and the times. Examples:

    - `antiphon runs import-outputs whisperx/ --data talks.jsonl --name whisperx`

    - `antiphon runs import-outputs deepl.txt --data newstest.en,newstest.de --name deepl`

    - `antiphon compare whisperx mine`
    """
    from components import data as sets
    from flows.cli.compute.run import run_flow

    options = {"source_language": source, "target_language": target, "limit": limit}
    utterances = load_usable(sets.load, data, options).utterances
    texts = join_outputs(file, utterances)
    node = {"kind": "texts", "file": str(_keep(utterances, texts))}
    language = target or _written_language(utterances)
    if language is None and any(each.references for each in utterances):
        print_notice("taken as transcripts; --to CODE where they are translations")
    values = {
        "graph": {"nodes": {"texts": node if language is None else {**node, "to": language}}},
        **{"data": data, "name": name, "replace": replace, "store": store, "source_language": source},
        **{"target_language": language, "limit": limit},
    }
    set_values = {key: value for key, value in values.items() if value not in (None, False)}
    raise typer.Exit(run_flow("pipeline", None, [], set_values, as_json=as_json))


def join_outputs(file: str, utterances: Sequence[Utterance]) -> dict[str, Output]:
    """Return what a file has by utterance id, and print how many there are.

    Raises:
        ConfigError: the file cannot be read, or has none of the utterances.
    """
    from components.imported_texts.formats import read_outputs

    try:
        outputs = read_outputs(file)
    except (DataError, OSError) as error:
        raise ConfigError(f"FILE: {error}") from None
    texts = _join(file, outputs, utterances)
    print_notice(f"{len(texts)} of {len(utterances)} utterances have a text in {file}")
    return texts


def _join(file: str, outputs: Outputs, utterances: Sequence[Utterance]) -> dict[str, Output]:
    from components.imported_texts.outputs import Output

    if outputs.lines:
        if len(outputs.lines) != len(utterances):
            raise ConfigError(
                f"FILE: expected {len(utterances)} lines, one per utterance of the data, found "
                f"{len(outputs.lines)} in {file}"
            )
        ids = (utterance.id for utterance in utterances)
        return dict(zip(ids, map(Output, outputs.lines), strict=True))
    found = ((utterance.id, outputs.output_of(utterance)) for utterance in utterances)
    texts = {key: text for key, text in found if text is not None}
    if not texts:
        theirs = ", ".join(map(repr, list(outputs.texts())[:3])) or "nothing"
        ours = ", ".join(repr(utterance.id) for utterance in utterances[:3])
        raise ConfigError(
            f"FILE: expected texts by ids or recordings such as {ours}, found {theirs} in {file}"
        )
    return texts


def _written_language(utterances: Sequence[Utterance]) -> str | None:
    """Return the language of outputs for data that are written: those of speech are transcripts."""
    if any(utterance.audio is not None for utterance in utterances):
        return None
    language = next((each.target_language for each in utterances if each.target_language), None)
    if language is None:
        raise ConfigError("--to: expected the language of the translations, since the data name none")
    return language


def _keep(utterances: Sequence[Utterance], texts: Mapping[str, Output]) -> Path:
    """Write the texts by id where they stay while FILE may go; returns the file, named by its content."""
    from components.files.canonical_json import digest_of
    from components.files.digests import cache_folder
    from components.files.files import write_atomically
    from components.imported_texts.segment_fields import write_segment

    rows = list[dict[str, Any]]()
    for each in utterances:
        if each.id in texts:
            text, segments = texts[each.id]
            timed = [write_segment(segment, each.offset) for segment in segments]
            rows.append({"id": each.id, "text": text, **({"segments": timed} if timed else {})})
    path = cache_folder() / "outputs" / f"{digest_of(rows)[:16]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, "".join(lines).encode())
    return path
