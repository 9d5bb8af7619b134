"""Streaming safetensors writer: the header is written first, then the tensors one after the other.

Tensors of wider types come first, so that each starts at a multiple of its element's size, as readers expect.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError
from components.files.files import sync_file
from components.merging.io.model_folder import DTYPE_NAMES
from components.models.checkpoints import INDEX, WEIGHTS

SHARD_BYTES = 5_000_000_000


class TensorSpec(NamedTuple):
    """Name, type and shape of a tensor that will be written."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size on disk, in bytes."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def plan_shards(specs: Sequence[TensorSpec], limit: int = SHARD_BYTES) -> list[list[TensorSpec]]:
    """Distribute tensors over files, in the order in which they are written.

    Args:
        specs: the tensors of a model.
        limit: bytes of weights per file at most; a single larger tensor gets a file of its own.
    """
    files: list[list[TensorSpec]] = [[]]
    filled = 0
    for tensor in sorted(specs, key=lambda spec: -spec.dtype.itemsize):
        if files[-1] and filled + tensor.nbytes > limit:
            files.append([])
            filled = 0
        files[-1].append(tensor)
        filled += tensor.nbytes
    return files


class TensorWriter:
    """Writes a model's tensors into a folder, one after the other, from pieces.

    Args:
        folder: where the files go.
        specs: every tensor that will be written.
        limit: bytes of weights per file at most.
    """

    def __init__(self, folder: Path, specs: Sequence[TensorSpec], limit: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._files = plan_shards(specs, limit)

    @property
    def order(self) -> list[list[str]]:
        """The tensors' names by file, in the order in which :meth:`write` expects them."""
        return [[tensor.name for tensor in file] for file in self._files]

    def write(self, pieces: Iterable[tuple[str, Iterable[Tensor]]]) -> None:
        """Write all tensors, and the index where there are several files.

        Args:
            pieces: each tensor's name and its elements in flat pieces, in :attr:`order`.

        Raises:
            MergeError: Another tensor comes, or one has another number of elements than was planned, or
                values that are not finite.
        """
        remaining = iter(pieces)
        names = [self._file_name(number) for number in range(len(self._files))]
        for name, specs in zip(names, self._files, strict=True):
            with (self._folder / name).open("wb") as file:
                file.write(_encode_header(specs))
                for tensor in specs:
                    tensor_name, parts = next(remaining)
                    if tensor_name != tensor.name:
                        raise MergeError(f"expected tensor {tensor.name} next, found {tensor_name}")
                    _append_tensor(file, tensor, parts)
            sync_file(self._folder / name)
        if len(names) > 1:
            self._write_index(names)

    def _file_name(self, number: int) -> str:
        count = len(self._files)
        return WEIGHTS if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"

    def _write_index(self, names: Sequence[str]) -> None:
        table = {t.name: n for n, file in zip(names, self._files, strict=True) for t in file}
        total = sum(tensor.nbytes for file in self._files for tensor in file)
        index = {"metadata": {"total_size": total}, "weight_map": table}
        (self._folder / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _encode_header(specs: Sequence[TensorSpec]) -> bytes:
    """Return a safetensors header: its length, then JSON padded to 8 bytes; the data follow without gaps."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in specs:
        table[tensor.name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(table, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _append_tensor(file: BinaryIO, tensor: TensorSpec, parts: Iterable[Tensor]) -> None:
    written = 0
    for part in parts:
        stored = part.to(tensor.dtype).cpu()
        _require_finite(tensor, stored)
        data = stored.contiguous().view(-1).view(torch.uint8)
        file.write(data.numpy().data)
        written += data.numel()
    if written != tensor.nbytes:
        raise MergeError(f"tensor {tensor.name}: expected {tensor.nbytes} bytes, found {written}")


def _require_finite(tensor: TensorSpec, part: Tensor) -> None:
    """Refuse NaN and infinity, which the models had none of: they end in the sum."""
    if not tensor.dtype.is_floating_point or part.sum(dtype=torch.float32).isfinite():
        return
    bad = int((~part.isfinite()).sum())
    if bad:
        name = str(tensor.dtype).removeprefix("torch.")
        raise MergeError(
            f"tensor {tensor.name}: expected finite values in {name}, found {bad} of {part.numel()} in a "
            "piece that are not: set out_dtype to a wider type (float32), or smaller weights"
        )
