"""What a form of adapters is: an entry of ``antiphon.adapters``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from components.models.adapted_references import WeightedAdapter
    from components.models.packages.wheels import ProgressCallback
    from components.records import Checkpoint


class AdapterFormat(ABC):
    """Reads adapters of one form and merges them into their base; imports what it needs when it is called.

    Attributes:
        file: name of a file that every folder of such an adapter has.
    """

    file: ClassVar[str]

    @abstractmethod
    def is_adapter(self, folder: Path) -> bool:
        """Return whether a folder holds an adapter and no model."""

    @abstractmethod
    def base_of(self, reference: str, folder: Path) -> str:
        """Return the reference of the base that an adapter's folder names. ModelError where it names none."""

    @abstractmethod
    def check(self, reference: str) -> None:
        """Refuse what can be no adapter, without fetching it. ConfigError, ModelError."""

    @abstractmethod
    def merge(
        self,
        reference: str,
        base: Checkpoint,
        adapters: Sequence[WeightedAdapter],
        store: str | None,
        on_progress: ProgressCallback,
    ) -> Checkpoint:
        """Return the model of a base with adapters, merged the first time that it is needed.

        Args:
            reference: what to call it.
            base: the model that the adapters were trained on.
            adapters: with their weights, in order.
            store: folder or URL of the store; None for the default.
            on_progress: called with lines of text while an adapter is fetched.

        Raises:
            ConfigError: One is no reference of an adapter.
            ModelError: There is no such adapter, or it is of another base.
        """
