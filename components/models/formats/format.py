"""What a form of models is that has to be converted: an entry of ``antiphon.model_formats``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from components.errors import ModelError

if TYPE_CHECKING:
    from components.models.packages.packaged_models import PackagedModel
    from components.models.packages.wheels import ProgressCallback
    from components.records import Checkpoint


class ModelToConvert(NamedTuple):
    """What is known of a model that is to be converted.

    Attributes:
        reference: what to call it in records and messages.
        on_progress: called with lines of text before what takes long.
        lineage: what it was made from, where that is known; else the digest of its weights.
        hub_cache: the hub's local cache, for what belongs to the model; None for its default.
    """

    reference: str
    on_progress: ProgressCallback
    lineage: tuple[str, ...] = ()
    hub_cache: Path | None = None


class ModelFormat:
    """Converts models of one form into transformers folders; imports what it needs when it is called.

    Attributes:
        hub_names: repositories of the hub, ORG/NAME, that may hold one; None where none is looked for there.
        hub_files: patterns of the files that are fetched from these beside those of every model.
    """

    hub_names: ClassVar[re.Pattern[str] | None] = None
    hub_files: ClassVar[tuple[str, ...]] = ()

    def reads(self, path: Path) -> bool:
        """Return whether a file or folder has this form; no file where packages alone have it."""
        return False

    def convert(self, path: Path, model: ModelToConvert) -> Checkpoint:
        """Convert a model into a folder of the cache, on first use.

        Args:
            path: the file or folder, absolute, which :meth:`reads` takes.
            model: what is known of it.

        Raises:
            ConfigError: An extra is not installed.
            ModelError: It cannot be read without running code, or is damaged.
            TransientError: The network failed.
        """
        raise ModelError(f"{model.reference}: expected a form that files have, found {path}")

    def require(self, reference: str) -> None:
        """Refuse to convert a model where an extra is missing. ConfigError."""

    def convert_package(self, row: PackagedModel, raw: Path, folder: Path) -> None:
        """Convert the fetched files ``raw`` of a packaged model into ``folder``. ModelError."""
        raise ModelError(f"packaged:{row.name}: expected a form that packages have, found {row.format}")
