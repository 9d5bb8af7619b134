"""`antiphon probe`: whether a recognizer writes what is not in the sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.compute.flow_command import COMMON
from flows.cli.compute.run import run_flow
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, Assignments
from flows.parameters.probe import ProbeParameters

PANEL = "Judge"

FLAGS = ("data", "limit", "node", "words", "language_model", "voice")


@with_flags(ProbeParameters, *FLAGS, *COMMON)
def probe(
    values: Values,
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="a pipeline with a recognizer")],
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a recognizer hears its words or remembers them: words are taken from the sound.

    Of recordings with transcripts single words are silenced, openings are replaced by another recording's,
    and with `--voice` sentences are spoken again with another number. How often the words are written all
    the same stands against what a language model guesses. Examples:

    - `antiphon probe talk.yaml --data test.jsonl --limit 50`

    - `antiphon probe talk.yaml --data test.jsonl --node asr --voice flite --words 3`
    """
    raise typer.Exit(run_flow("probe", file, assignments or [], values, as_json=as_json))
