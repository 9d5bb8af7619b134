"""``voice-encoder``: Resemblyzer's file of weights, as its wheel carries it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.models.formats.format import ModelFormat

if TYPE_CHECKING:
    from components.models.packages.packaged_models import PackagedModel


class VoiceEncoderFile(ModelFormat):
    """The packaged speaker encoder, which becomes safetensors."""

    @override
    def convert_package(self, row: PackagedModel, raw: Path, folder: Path) -> None:
        from components.speakers.voice_encoder import write_encoder  # noqa: PLC0415 - imports torch

        write_encoder(raw / "weights", folder)
