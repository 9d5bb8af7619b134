"""``metric``: COMET and MetricX as they are published."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.models.formats.format import ModelFormat, ModelToConvert

if TYPE_CHECKING:
    from components.records import Checkpoint


class MetricFolder(ModelFormat):
    """Checkpoints of neural metrics, without safetensors; they are read with ``weights_only``."""

    hub_names = re.compile(r"(?i)[^/]*/(.*comet.*|metricx.*)")
    hub_files = ("hparams.yaml", "checkpoints/model.ckpt", "pytorch_model*.bin")

    @override
    def reads(self, path: Path) -> bool:
        if not ((path / "hparams.yaml").is_file() or list(path.glob("pytorch_model*.bin"))):
            return False
        from components.models.sources.metric_folder import is_metric_folder  # noqa: PLC0415 - imports torch

        return is_metric_folder(path)

    @override
    def convert(self, path: Path, model: ModelToConvert) -> Checkpoint:
        from components.models.sources.hub import encoder_files  # noqa: PLC0415 - imports the hub's client
        from components.models.sources.metric_folder import convert_metric  # noqa: PLC0415 - imports torch

        fetch_encoder = partial(encoder_files, on_progress=model.on_progress, cache=model.hub_cache)
        return convert_metric(path, model.reference, fetch_encoder, model.on_progress, model.lineage)
