"""Every kind of node: a new one adds its file and its row here."""

from __future__ import annotations

from typing import Any

from components.nodes.combine import Combine
from components.nodes.data import Data
from components.nodes.kind import Kind
from components.nodes.mixture_weights import MixtureWeights
from components.nodes.recognize import Recognize
from components.nodes.translate import Translate
from components.nodes.tune import Tune

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        Combine(),
        Data(),
        MixtureWeights(),
        Recognize(),
        Translate(),
        Tune(),
    )
}
"""By the name that ``kind:`` takes in a file."""
