"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from typing import Any

from components.nodes.data import Data
from components.nodes.kind import Kind
from components.nodes.loop import Loop, LoopRound
from components.nodes.recognize import Recognize
from components.nodes.refine import Refine, RefineRound
from components.nodes.select import Select
from components.nodes.stored import StoredTranscript, StoredTranslation
from components.nodes.translate import Translate

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Data(),
        Loop(),
        LoopRound(),
        Recognize(),
        Refine(),
        RefineRound(),
        Select(),
        StoredTranscript(),
        StoredTranslation(),
        Translate(),
    )
}
"""By the name that ``kind:`` takes in a file."""
