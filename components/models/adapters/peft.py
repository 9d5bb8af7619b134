"""``peft``: LoRA adapters as PEFT writes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.errors import ModelError
from components.models.adapters.config import ADAPTER_CONFIG, read_adapter_config
from components.models.adapters.format import AdapterFormat
from components.models.adapters.sources import check_adapter, is_adapter, resolve_adapter
from components.models.references import split_reference

if TYPE_CHECKING:
    from components.models.adapted_references import WeightedAdapter
    from components.models.packages.wheels import ProgressCallback
    from components.records import Checkpoint


class Peft(AdapterFormat):
    """Folders with ``adapter_config.json``."""

    file = ADAPTER_CONFIG

    @override
    def is_adapter(self, folder: Path) -> bool:
        return is_adapter(folder)

    @override
    def base_of(self, reference: str, folder: Path) -> str:
        name = read_adapter_config(folder, reference).base
        if not name:
            raise ModelError(
                f"{reference}: expected a model, found an adapter that names no base; write BASE+{reference}"
            )
        is_hub = split_reference(name)[0] == "path" and not os.path.exists(name) and name.count("/") == 1  # noqa: PTH110
        return f"hub:{name}" if is_hub else name

    @override
    def check(self, reference: str) -> None:
        check_adapter(reference)

    @override
    def merge(
        self,
        reference: str,
        base: Checkpoint,
        adapters: Sequence[WeightedAdapter],
        store: str | None,
        on_progress: ProgressCallback,
    ) -> Checkpoint:
        from components.models.adapters.adapted_model import adapted_model  # noqa: PLC0415 - its users have adapters

        opened = [(resolve_adapter(a.reference, store, on_progress), a.weight) for a in adapters]
        return adapted_model(reference, base, opened)
