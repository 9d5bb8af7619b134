"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from typing import Any

from components.nodes.data import Data
from components.nodes.distill import Distill
from components.nodes.kind import Kind
from components.nodes.merge import Merge
from components.nodes.recognize import Recognize
from components.nodes.targets import Targets
from components.nodes.train import Train
from components.nodes.train_experts import TrainExperts
from components.nodes.translate import Translate
from components.nodes.upcycle import Upcycle

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Data(),
        Distill(),
        Merge(),
        Recognize(),
        Targets(),
        Train(),
        TrainExperts(),
        Translate(),
        Upcycle(),
    )
}
"""By the name that ``kind:`` takes in a file."""
