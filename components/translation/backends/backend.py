"""What a backend of translation is: an entry of ``antiphon.translators``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from components.errors import ConfigError
from components.translation.segments.directions import direction_check

if TYPE_CHECKING:
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.translator import Translator


class TranslatorBackend(ABC):
    """A kind of models that translate, or a library that does.

    Attributes:
        schemes: schemes of model references that it alone reads.
        only_by_name: whether it has to be set, as another one reads the same models where none is set.
        takes_drafts: whether a smaller model of it can propose tokens to a larger one.
        libraries: those that decide the outputs beside the ones of every backend.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    only_by_name: ClassVar[bool] = False
    takes_drafts: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def reads(self, architecture: str) -> bool:
        """Return whether it reads models of an architecture, as config.json names it."""

    def check(self) -> None:
        """Refuse to work without an extra. ConfigError."""
        return

    @abstractmethod
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        """Refuse what a model cannot do of what is set, by its files (fetched first).

        Raises:
            ConfigError: The settings do not fit the model.
            TransientError: A server does not answer.
        """

    def direction_check(self, checkpoint: Checkpoint) -> Callable[[str, str | None], object]:
        """Return a function that raises DataError for a source and target language that the model lacks."""
        return direction_check(checkpoint)

    def digests(self, config: TranslationConfig) -> dict[str, str]:
        """Return what a server says of a model, by role: it decides outputs as digests of weights do."""
        return {}

    def load(self, checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
        """Return what our search decodes of a model, and its tokenizer.

        Raises:
            ConfigError: Our search does not decode it, or not on this device in this arithmetic.
            ModelError: Its files cannot be read.
        """
        raise ConfigError(f"{checkpoint.reference}: expected a model that our search decodes, found another")

    @abstractmethod
    def build(
        self, config: TranslationConfig, checkpoint: Checkpoint, store: str | None, seed: int
    ) -> Translator:
        """Return the translator of a model.

        Args:
            config: model, search, and the prompt of a causal model.
            checkpoint: the model.
            store: folder or URL of the store, for a draft model.
            seed: of what is sampled.

        Raises:
            ConfigError: The settings do not fit each other or the model.
            ModelError: The model's files cannot be read.
        """
