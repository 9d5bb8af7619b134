"""What a source of models is: an entry of ``antiphon.sources``, whose name is its scheme."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from components.models.packages.wheels import ProgressCallback
from components.records import Checkpoint


class Source(ABC):
    """Finds the models that ``SCHEME:NAME`` names; methods import what they need when they are called.

    Args:
        scheme: of the references.

    Attributes:
        is_elsewhere: whether its models compute on another machine, so that none of their weights are here.
        holds_adapters: whether a reference may name an adapter alone, which stands for its base with it.
    """

    is_elsewhere: ClassVar[bool] = False
    holds_adapters: ClassVar[bool] = False

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    @abstractmethod
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        """Find the files of a model and verify them; they are fetched first where they are not here yet.

        Args:
            name: what follows the scheme.
            store: folder or URL of the store; None for the default.
            on_progress: called with lines of text while a model is fetched.

        Raises:
            ConfigError: It can be no such name, or an extra is not installed.
            ModelError: There is no such model, or its files are gone, damaged or unsafe to read.
            TransientError: The network failed.
        """

    @abstractmethod
    def check(self, name: str, store: str | None) -> None:
        """Refuse a name that :meth:`resolve` would refuse, as far as that is known without fetching."""

    def configuration_folder(self, name: str, store: str | None) -> Path | None:
        """Return the folder with a model's ``config.json``, nothing else being fetched; None: unknown.

        Raises as :meth:`resolve`.
        """
        return None

    def pin(self, name: str, store: str | None) -> str:
        """Return the name that means this model for ever, if need be another. Raises as :meth:`resolve`."""
        return name

    def has(self, name: str) -> bool:
        """Return whether a model can be had, at a glance: it is here, or its origin answers for it."""
        return True

    def list_references(self) -> tuple[str, ...]:
        """Return every reference, where they are known."""
        return ()

    def summarize(self, checkpoint: Checkpoint) -> dict[str, str] | None:
        """Return labels and values for people of a model without a folder of weights; None of others."""
        return None
