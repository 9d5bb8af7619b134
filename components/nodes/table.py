"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from components.nodes.command import Command
from components.nodes.data import Data
from components.nodes.edit import Edit
from components.nodes.gold import Gold
from components.nodes.installed import Kinds
from components.nodes.join_segments import JoinSegments
from components.nodes.loop import Loop, LoopRound
from components.nodes.python import Python
from components.nodes.recognize import Recognize
from components.nodes.refine import Refine, RefineRound
from components.nodes.route import RouteKind
from components.nodes.select import Select
from components.nodes.stored import StoredTranscript, StoredTranslation
from components.nodes.translate import Translate

KINDS = Kinds(
    (
        Command(),
        Data(),
        Edit(),
        Gold(),
        JoinSegments(),
        Loop(),
        LoopRound(),
        Python(),
        Recognize(),
        Refine(),
        RefineRound(),
        RouteKind(),
        Select(),
        StoredTranscript(),
        StoredTranslation(),
        Translate(),
    )
)
"""By the name that ``kind:`` takes in a file, with those that installed packages add."""
