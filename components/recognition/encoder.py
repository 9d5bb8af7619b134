"""Whisper's audio encoder over prepacked weights.

On the CPU every thread takes a window at a time, whose activations stay in the cache, and attention runs
head by head in blocks of queries on the same oneDNN products as the linear layers (torch's fused kernel is
1.6x slower there). Elsewhere the windows go through together with torch's fused attention.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from whisper.model import ResidualAttentionBlock, Whisper

from components.decoding.parallel import each
from components.decoding.prepack import Arithmetic, available, linear
from components.decoding.whisper import joined

QUERY_BLOCK = 500


class WhisperEncoder:
    """The encoder's weights, packed for the device; stateless."""

    def __init__(self, model: Whisper, arithmetic: Arithmetic = "float32") -> None:
        self.encoder = model.encoder
        self.device, self.dtype = model.device, model.encoder.conv1.weight.dtype
        self.heads = model.dims.n_audio_head
        self.blocks = [_Block(block, self.heads, arithmetic) for block in model.encoder.blocks]

    def __call__(self, mel: Tensor) -> Tensor:
        """Log-mel (N, mels, frames) -> features (N, frames / 2, d)."""
        mel = mel.to(self.device, self.dtype)
        if self.device.type != "cpu":
            return self._encode(mel)
        return torch.cat(each(self._encode, torch.split(mel, 1)))

    def _encode(self, mel: Tensor) -> Tensor:
        x = functional.gelu(self.encoder.conv1(mel))
        x = functional.gelu(self.encoder.conv2(x)).permute(0, 2, 1)
        x = (x + self.encoder.positional_embedding[: x.shape[1]]).to(x.dtype).contiguous()
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.encoder.ln_post(x)
        return out


class _Block:
    """One residual block."""

    def __init__(self, block: ResidualAttentionBlock, heads: int, arithmetic: Arithmetic) -> None:
        attn, mlp = block.attn, block.mlp
        self.heads = heads
        self.attn_ln, self.mlp_ln = block.attn_ln, block.mlp_ln
        self.qkv = joined([attn.query, attn.key, attn.value], arithmetic)
        self.out = joined([attn.out], arithmetic)
        self.mlp_in = linear(mlp[0].weight, mlp[0].bias, arithmetic, "gelu")
        self.mlp_out = joined([mlp[2]], arithmetic)
        self.packed = attn.query.weight.device.type == "cpu" and available(arithmetic)
        self.products = torch.bfloat16 if arithmetic == "bfloat16" else torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """(N, T, d) -> (N, T, d)."""
        n, length, _ = x.shape
        q, k, v = self.qkv(self.attn_ln(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.packed:
            q, k, v = (each.flatten(0, 1) for each in (q, k, v))
            heads = packed_attention(q, k, v, self.products).view(n, self.heads, length, -1)
        else:
            heads = functional.scaled_dot_product_attention(q, k, v)
        x += self.out(heads.transpose(1, 2).flatten(2))
        x += self.mlp_out(self.mlp_in(self.mlp_ln(x)))
        return x


def packed_attention(q: Tensor, k: Tensor, v: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for (H, T, d) tensors, products in ``dtype``, on oneDNN's kernels."""
    pack, multiply = torch.ops.mkldnn._reorder_linear_weight, torch.ops.mkldnn._linear_pointwise
    heads, length, width = q.shape
    q, k, v = (q * width**-0.5).to(dtype).contiguous(), k.to(dtype).contiguous(), v.to(dtype)
    out = torch.empty(heads, length, width, dtype=torch.float32)
    for h in range(heads):
        keys, values = pack(k[h]), pack(v[h].t().contiguous())
        for start in range(0, length, QUERY_BLOCK):
            block = slice(start, start + QUERY_BLOCK)
            weights = multiply(q[h, block], keys, None, "none", [], "").softmax(-1)
            out[h, block] = multiply(weights, values, None, "none", [], "")
    return out
