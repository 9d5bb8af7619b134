"""Which axes of the weights of an encoder-decoder can be permuted together without a change of its function.

Feed-forward units, attention heads (as wholes, and the dimensions inside of each: those of queries with
keys, those of values with outputs), Whisper's convolution channels, and the residual stream. The stream stays
as it is where the position embeddings are no weights (Marian's are computed when the model is built).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.errors import MergeError

MODEL_TYPES = ("marian", "bart", "whisper")
Axes = tuple[str | None, ...]
"""For each axis of a tensor the group of units that it runs over; None for one that keeps its order."""
_LAYER = re.compile(r"(?:model\.)?(?P<stack>encoder|decoder)\.layers\.\d+\.(?P<rest>.+)")
_ATTENTION = re.compile(r"(?P<kind>self_attn|encoder_attn)\.(?P<role>[qkv]|out)_proj\.(?P<what>weight|bias)")
QUERY_KEY, VALUE_OUT = "query-key", "value-output"


class PermutableAxes(NamedTuple):
    """The axes of a model's weights.

    Attributes:
        by_tensor: the groups along the axes of each tensor.
        heads: attention -> its number of heads; its groups are the name with ``query-key`` and
            ``value-output`` behind it, and are permuted head by head.
    """

    by_tensor: Mapping[str, Axes]
    heads: Mapping[str, int]

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that can be permuted for itself, in the order of the tensors."""
        found = dict.fromkeys(group for axes in self.by_tensor.values() for group in axes if group)
        return tuple(group for group in found if not group.endswith((QUERY_KEY, VALUE_OUT)))


def find_permutable_axes(names: Iterable[str], config: Mapping[str, object]) -> PermutableAxes:
    """Find what of a Marian, BART or Whisper model can be permuted.

    Args:
        names: its stored tensors.
        config: its ``config.json``.

    Raises:
        MergeError: It is no such model, or a tensor is of no known kind.
    """
    if config.get("model_type") not in MODEL_TYPES:
        raise MergeError(
            f"git_rebasin: expected a model of type {', '.join(MODEL_TYPES)}, "
            f"found {config.get('model_type')}"
        )
    names = list(names)
    residual = _residual_groups(names)
    by_tensor: dict[str, Axes] = {}
    heads: dict[str, int] = {}
    for name in names:
        axes = _layer_axes(name, residual) or _outer_axes(name, residual)
        if axes is None:
            raise MergeError(f"git_rebasin: expected a tensor of {config['model_type']}, found {name}")
        by_tensor[name] = axes
        attention = next((g for g in axes if g and g.endswith((QUERY_KEY, VALUE_OUT))), None)
        if attention is not None:
            stack = "encoder" if "encoder.layers" in name else "decoder"
            heads[attention.rsplit(" ", 1)[0]] = int(str(config[f"{stack}_attention_heads"]))
    return PermutableAxes(by_tensor, heads)


def _residual_groups(names: list[str]) -> dict[str, str | None]:
    """Return the group of each stack's residual stream; one for both where they share their embeddings."""
    stored = [
        stack for stack in ("encoder", "decoder") if any(f"{stack}.embed_positions" in n for n in names)
    ]
    if any(name.endswith("shared.weight") for name in names):
        return dict.fromkeys(("encoder", "decoder"), "residual" if len(stored) == 2 else None)
    return {stack: f"{stack} residual" if stack in stored else None for stack in ("encoder", "decoder")}


def _layer_axes(name: str, residual: Mapping[str, str | None]) -> Axes | None:
    layer = _LAYER.fullmatch(name)
    if layer is None:
        return None
    stream, rest = residual[layer["stack"]], layer["rest"]
    attention = _ATTENTION.fullmatch(rest)
    if attention is not None:
        prefix = f"{name.removesuffix(rest)}{attention['kind']}"
        role = attention["role"]
        inner = f"{prefix} {QUERY_KEY if role in 'qk' else VALUE_OUT}"
        source = residual["encoder"] if attention["kind"] == "encoder_attn" and role in "kv" else stream
        axes = (stream, inner) if role == "out" else (inner, source)
        return axes if attention["what"] == "weight" else axes[:1]
    units = f"{name.removesuffix(rest)}fc"
    return {
        "fc1.weight": (units, stream),
        "fc1.bias": (units,),
        "fc2.weight": (stream, units),
        "fc2.bias": (stream,),
    }.get(rest) or ((stream,) if re.fullmatch(r"\w*layer_norm\.(weight|bias)", rest) else None)


def _outer_axes(name: str, residual: Mapping[str, str | None]) -> Axes | None:
    """Return embeddings, norms, convolutions and output layers."""
    stack = "encoder" if "encoder." in name else "decoder"
    stream, last = residual[stack], ".".join(name.split(".")[-2:])
    return {
        "shared.weight": (None, stream),
        "embed_tokens.weight": (None, stream),
        "embed_positions.weight": (None, stream),
        "lm_head.weight": (None, stream),
        "proj_out.weight": (None, stream),
        "layer_norm.weight": (stream,),
        "layer_norm.bias": (stream,),
        "layernorm_embedding.weight": (stream,),
        "layernorm_embedding.bias": (stream,),
        "conv1.weight": ("convolution", None, None),
        "conv1.bias": ("convolution",),
        "conv2.weight": (stream, "convolution", None),
        "conv2.bias": (stream,),
    }.get(last) or ((None, None) if name == "final_logits_bias" else None)
