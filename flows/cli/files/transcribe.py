"""`antiphon transcribe`: recordings -> text, in one command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.files.export_options import (
    Formats,
    MarkBelow,
    OutPath,
    Overwrite,
    Rules,
    formats_of,
    settings_of,
    with_rules,
)
from flows.cli.help.options import Replace, RunName, StoreUrl

RecordingFiles = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="recordings, videos, folders of them, patterns ('talks/*.m4a')"),
]
Recognizer = Annotated[
    str,
    typer.Option("--model", metavar="REF", help="recognizer, such as whisper:small (docs/use/models.md)"),
]
BeamSize = Annotated[
    int | None,
    typer.Option("--beam-size", metavar="N", min=1, max=64, help="hypotheses kept; 1 is fastest"),
]
SpokenLanguage = Annotated[
    str | None,
    typer.Option("--language", "--from", metavar="CODE", help="that is spoken; detected if omitted"),
]


@with_rules
def transcribe(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    files: RecordingFiles,
    model: Recognizer = "packaged:whisper-base",
    beam_size: BeamSize = None,
    language: SpokenLanguage = None,
    formats: Formats = None,
    out: OutPath = None,
    confidence: MarkBelow = None,
    overwrite: Overwrite = False,
    *,
    rules: Rules,
    name: RunName = None,
    replace: Replace = False,
    store: StoreUrl = None,
) -> None:
    """Transcribe recordings: the text is printed, or written where --out says.

    It is a run as any other: kept in the store, resumed after an interruption, reused when it is asked for
    again. `antiphon inspect RUN` and its report show more.

    For example:

    - `antiphon transcribe talk.mp4` prints the text.

    - `antiphon transcribe talk.mp4 --out talk.en.srt` writes subtitles.

    - `antiphon transcribe talks/ --out texts/ --format txt,srt,vtt` writes three files per recording.

    - `antiphon transcribe 'talks/*.m4a' --language de --beam-size 1`

    Exit codes: 0 done; 3 done, some recordings could not be read; 2 wrong usage; 1 failed.
    """
    from components.text.languages import check_code
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import Output, run_files

    if language is not None:
        check_code(language)
    settings = settings_of(rules, bilingual=False, low=confidence)
    output = Output(formats_of(formats, out), settings, out, overwrite)
    shortcuts = {"source_language": language, "title": "transcribe", "name": name, "replace": replace or None}
    shortcuts["store"] = store
    graph = {"nodes": {"asr": recognizer_node(model, beam_size)}}
    raise typer.Exit(run_files(graph, find_inputs(files, texts=False), output, shortcuts))


def recognizer_node(model: str, beam_size: int | None) -> dict[str, Any]:
    """Return the node that recognizes speech, with the settings that the cascade has and times of words."""
    return {"kind": "recognize", "model": model, "word_times": True, **beam_settings(beam_size)}


def beam_settings(beam_size: int | None) -> dict[str, Any]:
    """Return the settings of a node's beam search; none where its own defaults count."""
    return {} if beam_size is None else {"beam_size": beam_size, "n_best": min(beam_size, 5)}
