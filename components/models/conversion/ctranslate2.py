"""Whisper models of CTranslate2 -> tensors by openai-whisper's names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from components.errors import ModelError
from components.models.conversion.ctranslate2_format import read_binary


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
        """Return a layer's weight; integers are divided by the scale of their row or (int16) of all."""
        weight = self.take(f"{layer}/weight")
        if weight.is_floating_point():
            return weight
        scale = self.take(f"{layer}/weight_scale").float()
        return weight.float() / (scale.view(-1, *[1] * (weight.ndim - 1)) if scale.ndim else scale)


Tensors = dict[str, Tensor]


def _norm(read: _Variables, source: str, target: str) -> Tensors:
    return {f"{target}.weight": read.take(f"{source}/gamma"), f"{target}.bias": read.take(f"{source}/beta")}


def _linear(read: _Variables, source: str, target: str) -> Tensors:
    return {f"{target}.weight": read.weight(source), f"{target}.bias": read.take(f"{source}/bias")}


def _split_fused(read: _Variables, source: str, target: str, parts: tuple[str, ...]) -> Tensors:
    """Return a fused projection, taken apart. Whisper's keys have no bias: the format holds zeros there."""
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
    is_alias = read.take("decoder/projection/weight") is read.all["decoder/embeddings/weight"]
    if not is_alias and not torch.equal(embedding, read.weight("decoder/projection")):
        raise ModelError(
            f"{path}: expected the output layer tied to the embeddings, found another; not a Whisper model"
        )
    heads = int(read.take("encoder/num_heads")) if "encoder/num_heads" in read else embedding.shape[1] // 64
    if unused := sorted(n for n, t in read.all.items() if n not in read.used and t.ndim):
        raise ModelError(f"{path}: found variables that Whisper does not have: {', '.join(unused[:3])}")
    return out, heads
