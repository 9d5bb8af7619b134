"""`antiphon transcribe`: recordings -> text, in one command."""

from __future__ import annotations

from typing import Any

import typer

from flows.cli.compute.flow_command import COMMON
from flows.cli.files.export_targets import OUTPUT_FLAGS
from flows.cli.help.model_flags import Values, with_flags
from flows.parameters.written_texts import TranscribeParameters

PANEL = "Use"

LANGUAGE_FLAGS = {"language": ("--from", "--language")}
FLAGS = tuple(name for name in OUTPUT_FLAGS if name != "bilingual")


@with_flags(
    TranscribeParameters,
    *("model", "beam_size", "language", *FLAGS, *COMMON),
    positional="files",
    spelled=LANGUAGE_FLAGS,
)
def transcribe(values: Values) -> None:
    """Turn recordings into text or subtitles.

    The text is printed, or written where --out says. It is a run as any other: kept in the store, resumed
    after an interruption, reused when it is asked for again. `antiphon inspect RUN` and its report show
    more.

    For example:

    - `antiphon transcribe talk.mp4` prints the text.

    - `antiphon transcribe talk.mp4 --out talk.en.srt` writes subtitles.

    - `antiphon transcribe talks/ --out texts/ --format txt,srt,vtt` writes three files per recording.

    - `antiphon transcribe 'talks/*.m4a' --language de --beam-size 1`

    Exit codes: 0 done; 3 done, some recordings could not be read; 2 wrong usage; 1 failed.
    """
    from flows.cli.compute.config_file import gather
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import run_files

    parameters = gather(TranscribeParameters, None, [], values)
    graph = {"nodes": {"asr": recognizer_node(str(parameters.model), parameters.beam_size)}}
    raise typer.Exit(run_files(graph, find_inputs(parameters.files, texts=False), parameters, "transcribe"))


def recognizer_node(model: str, beam_size: int | None) -> dict[str, Any]:
    """Return the node that recognizes speech, with the settings that the cascade has and times of words."""
    return {"kind": "recognize", "model": model, "word_times": True, **beam_settings(beam_size)}


def beam_settings(beam_size: int | None) -> dict[str, Any]:
    """Return the settings of a node's beam search; none where its own defaults count."""
    return {} if beam_size is None else {"beam_size": beam_size, "n_best": min(beam_size, 5)}
