"""What is asked of a recognizer, and whether a model can do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.errors import ConfigError, DataError
from components.records import Checkpoint

Task = Literal["transcribe", "translate", "stack"]
"""What is written: the words in the language that is spoken, their translation, or a translation for which a
transcript is read as well."""


@dataclass(frozen=True)
class Request:
    """What is to be written of an utterance.

    Attributes:
        task: what is written.
        source: code of the language that is spoken, perhaps ``und``.
        target: code of the language to write; None where nobody says.
        transcripts: read beside the audio where the task is ``stack``, best first.
    """

    task: Task
    source: str
    target: str | None
    transcripts: tuple[str, ...] = ()


def require_possible(
    checkpoint: Checkpoint, requests: Sequence[Request], check: Callable[[Request], object]
) -> None:
    """Refuse a model of whose requests ``check`` refuses every one, with a DataError. ConfigError."""
    problems = []
    for request in requests:
        try:
            check(request)
        except DataError as error:
            problems.append(str(error))
        else:
            return
    if problems:
        raise ConfigError(f"{checkpoint.reference}: {problems[0]}")
