"""What is asked of a recognizer, utterance by utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
