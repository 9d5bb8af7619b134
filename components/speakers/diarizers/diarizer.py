"""What a diarizer is: an entry of ``antiphon.diarizers``, whose name is its setting ``backend``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from components.audio import Samples
from components.extensions import Extensions, accept_class
from components.records import Checkpoint
from components.speakers.speaker_turns import SpeakerTurn


class HowMany(NamedTuple):
    """How many speakers a recording has.

    Attributes:
        exactly: that many; None where it is to be found out.
        at_most: so many otherwise.
    """

    exactly: int | None = None
    at_most: int = 10


Diarize = Callable[[Samples, HowMany], list[SpeakerTurn]]
"""Mono audio of 16 kHz -> its turns, whose speakers have any names."""


class Diarizer(ABC):
    """Loads one family of models; imports what it needs when it is called.

    Attributes:
        version: changes when outputs do.
        libraries: distributions whose versions decide the outputs.
        module: that shows whether its extra is installed; None where it needs none.
    """

    version: ClassVar[str] = "1"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "numpy")
    module: ClassVar[str | None] = None

    @abstractmethod
    def takes(self, checkpoint: Checkpoint) -> bool:
        """Return whether it can load a model."""

    @abstractmethod
    def load(self, checkpoint: Checkpoint, device: str) -> Diarize:
        """Load a model. ModelError, ConfigError."""


DIARIZERS: Extensions[Diarizer] = Extensions("antiphon.diarizers", "diarizer", accept_class(Diarizer))
"""Every diarizer by name."""
