"""Reader of the CTranslate2 binary format.

The format, little-endian: version u32; specification string; revision u32; count u32 of variables, each
name, rank u8, dimensions u32, type u8, bytes u32, data; count u32 of aliases, each two strings.
A string is a u16 length that includes a final zero byte. Versions 2 and 3 give the size of one element (u8)
and the count (u32) in place of type and bytes, and version 2 has no aliases.
Reference: CTranslate2, ``python/ctranslate2/specs/model_spec.py``.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from components.errors import ModelError

DTYPES = {
    0: torch.float32,
    1: torch.int8,
    2: torch.int16,
    3: torch.int32,
    4: torch.float16,
    5: torch.bfloat16,
}
DTYPE_OF_SIZE = {4: torch.float32, 2: torch.int16, 1: torch.int8}
MAX_RANK = 8


@dataclass(frozen=True)
class Ctranslate2File:
    """Contents of a CTranslate2 file: its header, and its variables with aliases resolved."""

    version: int
    specification: str
    revision: int
    variables: dict[str, Tensor]


class _Cursor:
    """Reads forwards through bytes and refuses to read past their end."""

    def __init__(self, data: memoryview, path: Path) -> None:
        self.data, self.path, self.position = data, path, 0

    def error(self, expected: str, actual: str) -> ModelError:
        return ModelError(
            f"{self.path}: not a complete CTranslate2 model: at byte {self.position} expected {expected}, "
            f"found {actual}; fetch or convert the model again"
        )

    def read_bytes(self, count: int, description: str) -> memoryview:
        remaining = len(self.data) - self.position
        if count > remaining:
            raise self.error(f"{count} bytes of {description}", f"{remaining} before the end of the file")
        self.position += count
        return self.data[self.position - count : self.position]

    def read_number(self, code: str, description: str) -> int:
        value: int = struct.unpack("<" + code, self.read_bytes(struct.calcsize("<" + code), description))[0]
        return value

    def read_string(self, description: str) -> str:
        raw = bytes(self.read_bytes(self.read_number("H", f"the length of {description}"), description))
        if not raw.endswith(b"\0") or b"\0" in raw[:-1]:
            raise self.error(f"{description} that ends in one zero byte", repr(raw[:24]))
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(f"{description} in UTF-8", repr(raw[:24])) from None


def read_binary(path: Path) -> Ctranslate2File:
    """Read a CTranslate2 ``model.bin``; every length is checked before it is used.

    Raises:
        ModelError: The file is truncated, has trailing bytes or is something else.
    """
    if path.stat().st_size == 0:
        raise ModelError(f"{path}: expected a CTranslate2 model, found an empty file; fetch the model again")
    # A private mapping: tensors share its pages, and nothing is read that is not used.
    with path.open("rb") as file:
        cursor = _Cursor(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)), path)
    version = cursor.read_number("I", "the version")
    if not 2 <= version <= 6:
        raise cursor.error("format version 2 to 6", str(version))
    specification, revision = cursor.read_string("the specification"), cursor.read_number("I", "the revision")
    variables: dict[str, Tensor] = {}
    for _ in range(cursor.read_number("I", "the number of variables")):
        name = cursor.read_string("a variable's name")
        if name in variables:
            raise cursor.error("each variable once", f"{name} twice")
        variables[name] = _read_variable(cursor, version, name)
    for _ in range(cursor.read_number("I", "the number of aliases") if version >= 3 else 0):
        alias, target = cursor.read_string("an alias"), cursor.read_string("an alias's target")
        if target not in variables or alias in variables:
            raise cursor.error("an alias of a variable", f"{alias} -> {target}")
        variables[alias] = variables[target]
    if cursor.position != len(cursor.data):
        raise cursor.error("the end of the file", f"{len(cursor.data) - cursor.position} more bytes")
    return Ctranslate2File(version, specification, revision, variables)


def _read_variable(cursor: _Cursor, version: int, name: str) -> Tensor:
    rank = cursor.read_number("B", f"the rank of {name}")
    if rank > MAX_RANK:
        raise cursor.error(f"at most {MAX_RANK} dimensions of {name}", str(rank))
    shape = [cursor.read_number("I", f"a dimension of {name}") for _ in range(rank)]
    code = cursor.read_number("B", f"the type of {name}")
    dtype = DTYPES.get(code) if version >= 4 else DTYPE_OF_SIZE.get(code)
    if dtype is None:
        raise cursor.error(f"a known element type of {name}", str(code))
    size = cursor.read_number("I", f"the size of {name}") * (1 if version >= 4 else dtype.itemsize)
    count = math.prod(shape)
    if count * dtype.itemsize != size:
        raise cursor.error(f"{count * dtype.itemsize} bytes for {name} {shape} {dtype}", str(size))
    data = cursor.read_bytes(size, name)
    return torch.frombuffer(data, dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)
