"""Lazy safetensors reader: slices of tensors by ``pread``, so that resident memory stays bounded.

Files are read into memory of ours, not mapped: mapped pages would count as resident memory, and a merge of
models larger than memory must stay small.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError, ModelError
from components.files.json_text import parse_json
from components.merging.architecture.tied_weights import map_tied_names
from components.models.checkpoints import read_header, read_json, weight_files

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""safetensors' name of a type -> torch's. Quantized types (F8 and the like) have no arithmetic here."""

DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class TensorLocation(NamedTuple):
    """Where the bytes of a stored tensor are.

    Attributes:
        file: the safetensors file.
        offset: its first byte, counted from the beginning of the file.
        dtype: its stored type.
        shape: its shape.
    """

    file: Path
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class ModelFolder:
    """A model folder that is read slice by slice. A context manager: files stay open while it is in use.

    Attributes:
        path: the folder.
        reference: what to call the model in messages.
        config: ``config.json``; empty without one.
        stored: every stored tensor by name.
        tensors: the same without those that the configuration ties to another: of tied weights only the
            first name is here.
        tied: the names that are left out -> the name that they are tied to.
    """

    def __init__(self, path: Path, reference: str) -> None:
        self.path, self.reference = path, reference
        configuration = path / "config.json"
        self.config = read_json(configuration) if configuration.is_file() else {}
        stored = dict(_locate_tensors(path, reference))
        self.tied = map_tied_names(self.config, stored)
        self.tensors = {name: entry for name, entry in stored.items() if name not in self.tied}
        self.stored = stored
        self._open: dict[Path, int] = {}

    def __enter__(self) -> ModelFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def read(self, entry: TensorLocation, start: int = 0, stop: int | None = None) -> Tensor:
        """Read elements ``start`` to ``stop`` of a tensor.

        Returns:
            A flat tensor of the stored type, in memory of its own.

        Raises:
            ModelError: The file ends before them.
        """
        stop = entry.numel if stop is None else stop
        size = entry.dtype.itemsize
        buffer = torch.empty((stop - start) * size, dtype=torch.uint8)
        descriptor = self._open.get(entry.file)
        if descriptor is None:
            descriptor = self._open[entry.file] = os.open(entry.file, os.O_RDONLY)
        view = memoryview(buffer.numpy().data)
        bytes_read = 0
        while bytes_read < len(view):
            count = os.preadv(descriptor, [view[bytes_read:]], entry.offset + start * size + bytes_read)
            if count == 0:
                raise ModelError(f"{entry.file}: ends before its header says; fetch the model again")
            bytes_read += count
        return buffer.view(entry.dtype)


class LazyTensor:
    """A stored tensor that is read in slices: a ``ReadableTensor`` of a model folder."""

    def __init__(self, folder: ModelFolder, location: TensorLocation) -> None:
        self._folder, self._location = folder, location
        self.shape, self.dtype = location.shape, location.dtype

    def read(self, start: int, stop: int) -> Tensor:
        """Return elements ``start`` to ``stop``, flat, in the stored type."""
        return self._folder.read(self._location, start, stop)


def _locate_tensors(folder: Path, reference: str) -> Iterator[tuple[str, TensorLocation]]:
    """Yield every tensor of a folder, in the order of its files.

    Raises:
        ModelError: A file is damaged, or a name is stored twice.
        MergeError: A tensor has a type without arithmetic.
    """
    names: set[str] = set()
    for file in weight_files(folder):
        read_header(file)  # checks that the file is whole
        with file.open("rb") as handle:
            size = struct.unpack("<Q", handle.read(8))[0]
            table = parse_json(handle.read(size))
        table.pop("__metadata__", None)
        for name, values in sorted(table.items(), key=lambda item: item[1]["data_offsets"][0]):
            if name in names:
                raise ModelError(f"{reference}: tensor {name} is stored twice; fetch the model again")
            names.add(name)
            dtype = DTYPES.get(values["dtype"])
            if dtype is None:
                raise MergeError(
                    f"{reference}: tensor {name} is stored as {values['dtype']}; expected one of "
                    f"{', '.join(DTYPES)}: merge the unquantized model"
                )
            first, end = values["data_offsets"]
            location = TensorLocation(file, 8 + size + first, dtype, tuple(values["shape"]))
            if (needed := location.numel * dtype.itemsize) != end - first:
                raise ModelError(
                    f"{reference}: expected {needed} bytes of tensor {name}, found {end - first}; fetch the "
                    "model again"
                )
            yield name, location
