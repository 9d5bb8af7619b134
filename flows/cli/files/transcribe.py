"""`antiphon transcribe`: recordings -> text, in one command."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Any

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON
from flows.cli.files.export_targets import OUTPUT_FLAGS
from flows.cli.help.commands import Command
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson
from flows.parameters.written_texts import TranscribeParameters

PANEL = "Use"

LANGUAGE_FLAGS = {"language": ("--from", "--language")}
HEARING_FLAGS = ("terms", "prompt", "speakers", "beam_size", "device")
FLAGS = tuple(name for name in OUTPUT_FLAGS if name != "bilingual")


class TextCommand(Command):
    """`antiphon transcribe` and `antiphon translate`, whose ``--speakers`` may stand without a number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        given = [
            "--speakers=auto" if argument == "--speakers" and not (following or "").isdecimal() else argument
            for argument, following in zip_longest(args, args[1:])
        ]
        return super().parse_args(ctx, given)


@with_flags(
    TranscribeParameters,
    *("model", "language", *HEARING_FLAGS, "page", *FLAGS, *COMMON),
    positional="files",
    spelled=LANGUAGE_FLAGS,
)
def transcribe(values: Values, as_json: AsJson = False) -> None:
    """Turn recordings into text or subtitles.

    The text is printed, or written where --out says. It is a run as any other: kept in the store, resumed
    after an interruption, reused when it is asked for again. `antiphon inspect RUN` and its report show
    more.

    For example:

    - `antiphon transcribe talk.mp4` prints the text.

    - `antiphon transcribe talk.mp4 --out talk.en.srt` writes subtitles.

    - `antiphon transcribe talks/ --out texts/ --format txt,srt,vtt` writes three files per recording.

    - `antiphon transcribe meeting.wav --speakers --terms "Kovalenko, Tesfaye" --out meeting.vtt`

    - `antiphon transcribe 'talks/*.m4a' --language de --beam-size 1`

    Exit codes: 0 done; 3 done, some recordings could not be read; 2 wrong usage; 1 failed.
    """
    from flows.cli.compute.parameters.config_file import gather
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import check_inputs, run_files

    parameters = gather(TranscribeParameters, None, [], values)
    nodes = hearing_nodes(str(parameters.model), parameters)
    inputs = find_inputs(parameters.files, texts=False)
    check_inputs(inputs, parameters)
    raise typer.Exit(run_files({"nodes": nodes}, inputs, parameters, "transcribe", as_json=as_json))


transcribe.command_class = TextCommand  # type: ignore[attr-defined]


def hearing_nodes(model: str, parameters: TranscribeParameters) -> dict[str, dict[str, Any]]:
    """Return the nodes of a transcript: the recognizer, and who speaks if that is asked for."""
    asr = {"kind": "recognize", "model": model, "word_times": True, **beam_settings(parameters.beam_size)}
    asr |= {"prompt": parameters.prompt} if parameters.prompt else {}
    asr |= {"terms": terms_file(parameters.terms)} if parameters.terms else {}
    asr |= {"device": parameters.device} if parameters.device else {}
    if parameters.speakers is None:
        return {"asr": asr}
    count = {} if parameters.speakers == "auto" else {"speakers": parameters.speakers}
    return {"asr": asr, "speakers": {"kind": "diarize", "of": "asr", **count}}


def terms_file(terms: str) -> str:
    """Return the file of a term list; words that are given themselves are written to one in the cache.

    Raises:
        ConfigError: it is no file, and no list of words either.
    """
    import hashlib

    from components.files.digests import cache_folder
    from components.files.files import write_bytes

    if Path(terms).is_file():
        return str(Path(terms).absolute())
    names = list(dict.fromkeys(" ".join(name.split()) for name in terms.split(",") if name.strip()))
    if not names or (len(names) == 1 and ("/" in terms or terms.endswith((".tsv", ".txt", ".csv")))):
        raise ConfigError(
            f"--terms: expected a file, or words with commas, found {terms!r:.80}, no such file"
        )
    content = "\n".join(["source", *names, ""]).encode()
    file = cache_folder() / "terms" / f"{hashlib.sha256(content).hexdigest()[:16]}.tsv"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content)
    return str(file)


def beam_settings(beam_size: int | None) -> dict[str, Any]:
    """Return the settings of a node's beam search; none where its own defaults count."""
    return {} if beam_size is None else {"beam_size": beam_size, "n_best": min(beam_size, 5)}
