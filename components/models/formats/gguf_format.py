"""``gguf``: language models in GGUF files (extra ``gguf``)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.errors import require_extra
from components.models.formats.format import ModelFormat, ModelToConvert

if TYPE_CHECKING:
    from components.models.packages.packaged_models import PackagedModel
    from components.records import Checkpoint


class Gguf(ModelFormat):
    """Quantized language models, which become bfloat16 safetensors."""

    @override
    def reads(self, path: Path) -> bool:
        return path.suffix == ".gguf" and not path.is_dir()

    @override
    def convert(self, path: Path, model: ModelToConvert) -> Checkpoint:
        from components.models.conversion.gguf import convert_gguf  # noqa: PLC0415 - imports torch
        from components.models.sources.model_file import convert_once  # noqa: PLC0415 - imports torch

        self.require(model.reference)
        return convert_once(path, model.reference, lambda folder: convert_gguf(path, folder))

    @override
    def require(self, reference: str) -> None:
        require_extra(reference, "gguf", "gguf")

    @override
    def convert_package(self, row: PackagedModel, raw: Path, folder: Path) -> None:
        from components.models.conversion.gguf import convert_gguf  # noqa: PLC0415 - imports torch

        self.require(f"packaged:{row.name}")
        convert_gguf(raw / "weights", folder, row.eos_token_ids)
        for path in raw.iterdir():
            if path.name != "weights":  # such as notices
                shutil.move(path, folder / path.name)
