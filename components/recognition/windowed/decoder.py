"""What decodes windows of audio, whatever the family of the model: the interface, what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from components.audio import Samples
from components.errors import ConfigError, DataError
from components.records import Checkpoint, Token, Word

Task = Literal["transcribe", "translate", "stack"]
"""What is written: the words in the language that is spoken, their translation, or a translation for which a
transcript is read as well."""


@dataclass(frozen=True)
class Request:
    """What is to be written of an utterance.

    Attributes:
        task: What is written.
        source: Code of the language that is spoken, perhaps ``und``.
        target: Code of the language to write; None where nobody says.
        transcripts: Read beside the audio where the task is ``stack``, best first.
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


@dataclass(frozen=True)
class Window:
    """A stretch of audio and what is to be written of it.

    Attributes:
        samples: Mono, 16 kHz, in [-1, 1].
        request: What is to be written.
    """

    samples: Samples
    request: Request


@dataclass(frozen=True)
class WindowHypothesis:
    """One candidate text of a window.

    Attributes:
        text: Without spaces around it.
        score: Log-probability (nats).
        rank: What the candidates are ordered by, as a length-normalized score; higher is better.
        tokens: With their log-probabilities.
        words: With times in seconds from the start of the window, where the model says.
        finished: Whether it ended by itself, not at the length limit.
    """

    text: str
    score: float
    rank: float
    tokens: tuple[Token, ...] = ()
    words: tuple[Word, ...] = ()
    finished: bool = True


class WindowDecoder(Protocol):
    """A model that writes what is said in windows of audio.

    Attributes:
        max_seconds: Longest window that it reads.
        language: The only one that it knows; None where it knows several, or does not say.
    """

    max_seconds: float
    language: str | None

    def check(self, request: Request) -> None:
        """Refuse what the model cannot write: its languages, its task. DataError."""
        ...

    def decode(self, windows: Sequence[Window]) -> Sequence[Sequence[WindowHypothesis]]:
        """N-best texts of each window of a batch, best first, none empty. All requests have one target.

        Raises:
            ModelError: A window cannot be decoded; the batch is then tried in parts.
        """
        ...
