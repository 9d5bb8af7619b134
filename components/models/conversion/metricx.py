"""Conversion of MetricX checkpoints (``pytorch_model.bin`` without a tokenizer) into model folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import ModelError
from components.models.architectures import METRICX
from components.models.checkpoints import INDEX, WEIGHTS, has_vocabulary, read_json, weight_files
from components.models.conversion.comet import copy_tokenizer, read_state_dict

BIN, BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_TIED = frozenset({"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
"""Copies of ``shared.weight`` that older checkpoints hold."""


def is_metricx_folder(folder: Path) -> bool:
    """Return whether a folder holds a MetricX model as published: as a pickle, or without a tokenizer."""
    present = {path.name for path in folder.glob("*")}
    if "config.json" not in present or not present & {BIN, BIN_INDEX, WEIGHTS, INDEX}:
        return False
    if present & {WEIGHTS, INDEX} and has_vocabulary(folder):
        return False
    return read_json(folder / "config.json").get("architectures") == [METRICX]


def convert_metricx(source: Path, tokenizer: Path, folder: Path) -> None:
    """Convert a MetricX checkpoint.

    Args:
        source: the checkpoint's folder.
        tokenizer: holds mT5's tokenizer, which all sizes share.
        folder: the folder to fill.

    Raises:
        ModelError: the weights cannot be read without running code.
    """
    tensors: dict[str, Tensor] = {}
    for path in weights_of(source):
        tensors |= load_file(path) if path.suffix == ".safetensors" else read_state_dict(path)
    untied = {name: tensor for name, tensor in tensors.items() if name not in _TIED}
    save_file(untied, folder / WEIGHTS, metadata={"format": "pt"})
    shutil.copyfile(source / "config.json", folder / "config.json")
    copy_tokenizer(tokenizer, folder)


def weights_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of a checkpoint's weights: ``pytorch_model.bin``, its shards, or safetensors.

    Raises:
        ModelError: there are none, or the index points elsewhere.
    """
    if (folder / BIN).is_file():
        return (folder / BIN,)
    if not (folder / BIN_INDEX).is_file():
        return weight_files(folder)
    table = read_json(folder / BIN_INDEX).get("weight_map")
    names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
    for name in names or ["no file"]:
        if Path(name).name != name or not (folder / name).is_file():
            raise ModelError(f"{folder / BIN_INDEX}: expected names of files beside it, found {name!r}")
    return tuple(folder / name for name in names)
