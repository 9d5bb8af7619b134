"""A CTC model in ONNX, written byte by byte: a linear layer over log-mel features, as NeMo exports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOKENS = ["\u2581ba", "\u2581be", "bi", "bo", "\u2581du", "da", "<blk>"]


def _field(number: int, value: int | bytes | str) -> bytes:
    """A field of a protocol buffer: a number, or what has a length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def _node(kind: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    named = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    return named + (_field(5, attribute) if attribute else b"")


def _value(name: str, element: int, dims: list[str | int]) -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(d, int) else 2, d)) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, shape)))


def save(folder: Path, weight: NDArray[np.float32]) -> Path:
    """Write a folder that onnx-asr reads, with the linear layer ``weight`` (80, tokens)."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = _field(1, "perm") + b"".join(_field(8, axis) for axis in (0, 2, 1)) + _field(20, 7)
    last = _field(1, "axis") + _field(3, 2) + _field(20, 2)
    tensor = b"".join(_field(1, n) for n in weight.shape) + _field(2, 1) + _field(8, "weight")
    graph = (
        _field(1, _node("Transpose", ["audio_signal"], "frames", axes))
        + _field(1, _node("MatMul", ["frames", "weight"], "scores"))
        + _field(1, _node("LogSoftmax", ["scores"], "logprobs", last))
        + _field(2, "tiny")
        + _field(5, tensor + _field(9, weight.astype("<f4").tobytes()))
        + _field(11, _value("audio_signal", 1, ["n", 80, "t"]))
        + _field(11, _value("length", 7, ["n"]))
        + _field(12, _value("logprobs", 1, ["n", "t", weight.shape[1]]))
    )
    model = _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))
    (folder / "model.onnx").write_bytes(model)
    (folder / "vocab.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(TOKENS)), "utf-8")
    config = {"model_type": "nemo-conformer-ctc", "features_size": 80, "subsampling_factor": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
