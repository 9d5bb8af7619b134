"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from typing import Any

from components.nodes.data import Data
from components.nodes.gold import Gold
from components.nodes.join_segments import JoinSegments
from components.nodes.kind import Kind
from components.nodes.recognize import Recognize
from components.nodes.translate import Translate

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Data(),
        Gold(),
        JoinSegments(),
        Recognize(),
        Translate(),
    )
}
"""By the name that ``kind:`` takes in a file."""
