"""Whisper models in the CTranslate2 binary format -> tensors in openai-whisper's names.

The format, little-endian: version u32; specification string; revision u32; count u32 of variables, each
name, rank u8, dimensions u32, type u8, bytes u32, data; count u32 of aliases, each two strings.
A string is a u16 length that includes a final zero byte. Versions 2 and 3 give the size of one element (u8)
and the count (u32) in place of type and bytes, and version 2 has no aliases.
Reference: CTranslate2, ``python/ctranslate2/specs/model_spec.py``.
"""

from __future__ import annotations

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

    def fail(self, expected: str, actual: str) -> ModelError:
        return ModelError(
            f"{self.path}: not a complete CTranslate2 model: at byte {self.position} expected {expected}, "
            f"found {actual}; fetch or convert the model again"
        )

    def take(self, count: int, description: str) -> memoryview:
        remaining = len(self.data) - self.position
        if count > remaining:
            raise self.fail(f"{count} bytes of {description}", f"{remaining} before the end of the file")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, code: str, description: str) -> int:
        value: int = struct.unpack("<" + code, self.take(struct.calcsize("<" + code), description))[0]
        return value

    def string(self, description: str) -> str:
        raw = bytes(self.take(self.number("H", f"the length of {description}"), description))
        if not raw.endswith(b"\0") or b"\0" in raw[:-1]:
            raise self.fail(f"{description} that ends in one zero byte", repr(raw[:24]))
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail(f"{description} in UTF-8", repr(raw[:24])) from None


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
    version = cursor.number("I", "the version")
    if not 2 <= version <= 6:
        raise cursor.fail("format version 2 to 6", str(version))
    specification, revision = cursor.string("the specification"), cursor.number("I", "the revision")
    variables: dict[str, Tensor] = {}
    for _ in range(cursor.number("I", "the number of variables")):
        name = cursor.string("a variable's name")
        if name in variables:
            raise cursor.fail("each variable once", f"{name} twice")
        variables[name] = _variable(cursor, version, name)
    for _ in range(cursor.number("I", "the number of aliases") if version >= 3 else 0):
        alias, target = cursor.string("an alias"), cursor.string("an alias's target")
        if target not in variables or alias in variables:
            raise cursor.fail("an alias of a variable", f"{alias} -> {target}")
        variables[alias] = variables[target]
    if cursor.position != len(cursor.data):
        raise cursor.fail("the end of the file", f"{len(cursor.data) - cursor.position} more bytes")
    return Ctranslate2File(version, specification, revision, variables)


def _variable(cursor: _Cursor, version: int, name: str) -> Tensor:
    rank = cursor.number("B", f"the rank of {name}")
    if rank > MAX_RANK:
        raise cursor.fail(f"at most {MAX_RANK} dimensions of {name}", str(rank))
    shape = [cursor.number("I", f"a dimension of {name}") for _ in range(rank)]
    code = cursor.number("B", f"the type of {name}")
    dtype = DTYPES.get(code) if version >= 4 else DTYPE_OF_SIZE.get(code)
    if dtype is None:
        raise cursor.fail(f"a known element type of {name}", str(code))
    size = cursor.number("I", f"the size of {name}") * (1 if version >= 4 else dtype.itemsize)
    count = 1
    for dimension in shape:
        count *= dimension
    if count * dtype.itemsize != size:
        raise cursor.fail(f"{count * dtype.itemsize} bytes for {name} {shape} {dtype}", str(size))
    data = cursor.take(size, name)
    return torch.frombuffer(data, dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)


class _Variables:
    """The variables of a Whisper model; remembers which were used, so that nothing is dropped unseen."""

    def __init__(self, path: Path, variables: dict[str, Tensor]) -> None:
        self.path, self.all, self.used = path, variables, set[str]()

    def __contains__(self, name: str) -> bool:
        return name in self.all

    def take(self, name: str) -> Tensor:
        if name not in self.all:
            raise ModelError(
                f"{self.path}: expected a variable {name}, found none; convert the Whisper model again"
            )
        self.used.add(name)
        return self.all[name]

    def weight(self, layer: str) -> Tensor:
        """A layer's weight; int8 rows are multiplied out by their scales (stored as 127 / max)."""
        weight = self.take(f"{layer}/weight")
        if weight.dtype != torch.int8:
            return weight
        scale = self.take(f"{layer}/weight_scale").float()
        return weight.float() / (scale[:, None] if scale.ndim else scale)


Tensors = dict[str, Tensor]


def _norm(read: _Variables, source: str, target: str) -> Tensors:
    return {f"{target}.weight": read.take(f"{source}/gamma"), f"{target}.bias": read.take(f"{source}/beta")}


def _linear(read: _Variables, source: str, target: str) -> Tensors:
    return {f"{target}.weight": read.weight(source), f"{target}.bias": read.take(f"{source}/bias")}


def _split_fused(read: _Variables, source: str, target: str, parts: tuple[str, ...]) -> Tensors:
    """A fused projection, taken apart. Whisper's keys have no bias: the format holds zeros there."""
    weight, bias = read.weight(source), read.take(f"{source}/bias")
    if weight.shape[0] % len(parts) or bias.shape != weight.shape[:1]:
        raise ModelError(
            f"{read.path}: expected {source} to hold {len(parts)} equal parts, found weight "
            f"{list(weight.shape)} and bias {list(bias.shape)}; convert the Whisper model again"
        )
    out: Tensors = {}
    rows = weight.shape[0] // len(parts)
    for part, w, b in zip(parts, torch.split(weight, rows), torch.split(bias, rows), strict=True):
        out[f"{target}.{part}.weight"] = w
        if part != "key":
            out[f"{target}.{part}.bias"] = b
        elif torch.count_nonzero(b):
            raise ModelError(
                f"{read.path}: expected a zero key bias in {source}, found another; not a Whisper model"
            )
    return out


def _block(read: _Variables, source: str, target: str, *, decoder: bool) -> Tensors:
    self_attention, cross = f"{source}/self_attention", f"{source}/attention"
    out = _norm(read, f"{self_attention}/layer_norm", f"{target}.attn_ln")
    out |= _split_fused(read, f"{self_attention}/linear_0", f"{target}.attn", ("query", "key", "value"))
    out |= _linear(read, f"{self_attention}/linear_1", f"{target}.attn.out")
    if decoder:
        out |= _norm(read, f"{cross}/layer_norm", f"{target}.cross_attn_ln")
        out |= _linear(read, f"{cross}/linear_0", f"{target}.cross_attn.query")
        out |= _split_fused(read, f"{cross}/linear_1", f"{target}.cross_attn", ("key", "value"))
        out |= _linear(read, f"{cross}/linear_2", f"{target}.cross_attn.out")
    out |= _norm(read, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    out |= _linear(read, f"{source}/ffn/linear_0", f"{target}.mlp.0")
    return out | _linear(read, f"{source}/ffn/linear_1", f"{target}.mlp.2")


# What Whisper's arithmetic presumes (activation 3 is GELU); another value is another model.
PRESUMED = {"decoder/activation": 3, "decoder/pre_norm": 1, "decoder/scale_embeddings": 0, "decoder/alibi": 0}


def whisper_tensors(path: Path) -> tuple[Tensors, int]:
    """Read the tensors of a CTranslate2 Whisper file.

    Returns:
        Tensors by openai-whisper's names, and the number of attention heads.

    Raises:
        ModelError: A variable is missing, left over, or not Whisper's.
    """
    binary = read_binary(path)
    if binary.specification != "WhisperSpec":
        raise ModelError(
            f"{path}: expected a WhisperSpec, found {binary.specification!r}; give a Whisper model"
        )
    read = _Variables(path, binary.variables)
    for name, expected in PRESUMED.items():
        if name in read and int(read.take(name)) != expected:
            raise ModelError(
                f"{path}: expected {name} = {expected}, found {int(read.take(name))}; not a Whisper model"
            )
    out: Tensors = {}
    for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
        out[f"{side}.positional_embedding"] = read.take(f"{side}/position_encodings/encodings")
        out |= _norm(read, f"{side}/layer_norm", f"{side}.{last}")
        layer = 0
        while f"{side}/layer_{layer}/ffn/linear_0/weight" in read:
            out |= _block(read, f"{side}/layer_{layer}", f"{side}.blocks.{layer}", decoder=side == "decoder")
            layer += 1
    for convolution in ("conv1", "conv2"):
        out |= _linear(read, f"encoder/{convolution}", f"encoder.{convolution}")
    out["decoder.token_embedding.weight"] = embedding = read.weight("decoder/embeddings")
    if not torch.equal(embedding, read.weight("decoder/projection")):
        raise ModelError(
            f"{path}: expected the output layer tied to the embeddings, found another; not a Whisper model"
        )
    heads = int(read.take("encoder/num_heads")) if "encoder/num_heads" in read else embedding.shape[1] // 64
    if unused := sorted(n for n, t in read.all.items() if n not in read.used and t.ndim):
        raise ModelError(f"{path}: found variables that Whisper does not have: {', '.join(unused[:3])}")
    return out, heads
