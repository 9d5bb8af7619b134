"""A tiny random Whisper, and a writer of the CTranslate2 format made from its documentation."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import torch
from whisper.model import ModelDimensions, Whisper

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
DIMS = ModelDimensions(8, 6, 64, 1, 1, 51864, 9, 64, 1, 2)


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def binary(variables: Mapping[str, np.ndarray], aliases: Mapping[str, str], version: int = 6) -> bytes:
    out = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        out += struct.pack("<BI", CODES[str(array.dtype)], array.nbytes) + array.tobytes()
    out += struct.pack("<I", len(aliases))
    return out + b"".join(text(a) + text(b) for a, b in aliases.items())


def ct2_variables(model: Whisper) -> dict[str, np.ndarray]:
    """A Whisper model in CTranslate2's layout, written out from its documentation."""
    state = {name: t.numpy().astype(np.float16) for name, t in model.state_dict().items()}
    out: dict[str, np.ndarray] = {}

    def linear(target: str, source: str) -> None:
        out[f"{target}/weight"], out[f"{target}/bias"] = state[f"{source}.weight"], state[f"{source}.bias"]

    def norm(target: str, source: str) -> None:
        out[f"{target}/gamma"], out[f"{target}/beta"] = state[f"{source}.weight"], state[f"{source}.bias"]

    def fused(target: str, source: str, parts: str) -> None:
        names = {"q": "query", "k": "key", "v": "value"}
        weights = [state[f"{source}.{names[p]}.weight"] for p in parts]
        zeros = np.zeros(weights[0].shape[0], np.float16)
        biases = [zeros if p == "k" else state[f"{source}.{names[p]}.bias"] for p in parts]
        out[f"{target}/weight"], out[f"{target}/bias"] = np.concatenate(weights), np.concatenate(biases)

    for side, last, layers in (("encoder", "ln_post", 1), ("decoder", "ln", 2)):
        out[f"{side}/position_encodings/encodings"] = state[f"{side}.positional_embedding"]
        norm(f"{side}/layer_norm", f"{side}.{last}")
        out[f"{side}/num_heads"] = np.array(1, np.int16)
        for n in range(layers):
            to, of = f"{side}/layer_{n}", f"{side}.blocks.{n}"
            norm(f"{to}/self_attention/layer_norm", f"{of}.attn_ln")
            fused(f"{to}/self_attention/linear_0", f"{of}.attn", "qkv")
            linear(f"{to}/self_attention/linear_1", f"{of}.attn.out")
            if side == "decoder":
                norm(f"{to}/attention/layer_norm", f"{of}.cross_attn_ln")
                linear(f"{to}/attention/linear_0", f"{of}.cross_attn.query")
                fused(f"{to}/attention/linear_1", f"{of}.cross_attn", "kv")
                linear(f"{to}/attention/linear_2", f"{of}.cross_attn.out")
            norm(f"{to}/ffn/layer_norm", f"{of}.mlp_ln")
            linear(f"{to}/ffn/linear_0", f"{of}.mlp.0")
            linear(f"{to}/ffn/linear_1", f"{of}.mlp.2")
    linear("encoder/conv1", "encoder.conv1")
    linear("encoder/conv2", "encoder.conv2")
    out["decoder/embeddings/weight"] = state["decoder.token_embedding.weight"]
    out["decoder/activation"] = np.array(3, np.int8)
    return out


ALIASES = {"decoder/projection/weight": "decoder/embeddings/weight"}


def tiny_whisper() -> Whisper:
    torch.manual_seed(0)
    model = Whisper(DIMS)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.load_state_dict({n: t.half().float() for n, t in model.state_dict().items()})
    return model.eval()
