"""The weights of Whisper's text decoder (Radford et al., 2022, arXiv:2212.04356), as all searches share them.

Letters in shapes: N windows, T encoder positions, d model width, d_h = d / heads.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from components.compute.layers.attention import cross_attention_kernel
from components.compute.layers.folded_mask import FEATURES, NEVER
from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import Projection, build_linear, fuse_linears
from components.compute.openai_whisper import LayerNorm, ResidualAttentionBlock, Whisper
from components.compute.threads import map_in_threads


@dataclass(frozen=True)
class _Layer:
    """The projections and layer norms of one decoder block."""

    attn_ln: LayerNorm
    qkv: Projection
    attn_out: Projection
    cross_ln: LayerNorm
    cross_q: Projection
    cross_kv: Projection
    cross_out: Projection
    mlp_ln: LayerNorm
    mlp_in: Projection
    mlp_out: Projection


class WhisperDecoder:
    """The decoder's weights, packed for the CPU where it runs there; stateless, shared by all searches."""

    def __init__(self, model: Whisper, arithmetic: Arithmetic = "float32") -> None:
        decoder = model.decoder
        self.heads = model.dims.n_text_head
        self.width = model.dims.n_text_state
        self.context, self.audio_context = model.dims.n_text_ctx, model.dims.n_audio_ctx
        self.size = model.dims.n_vocab
        self.device, self.dtype = model.device, decoder.token_embedding.weight.dtype
        on_cpu = self.device.type == "cpu"
        self.attend = cross_attention_kernel(self.width // self.heads, self.dtype) if on_cpu else None
        self.tokens = decoder.token_embedding
        self.positions = decoder.positional_embedding
        self.layers = [_layer(block, arithmetic) for block in decoder.blocks]
        self.alignment_heads = _group_heads(model)
        self.norm = decoder.ln
        self.head = build_linear(self.tokens.weight, None, "float32" if arithmetic == "int8" else arithmetic)

    def cross_attention_states(self, features: Tensor, log_counts: Tensor | None = None) -> list[Tensor]:
        """Return cross-attention keys and values of the encoder's output.

        Args:
            features: (N, T, d).
            log_counts: logarithm of the number of positions that each counts for (N, T), where the keys are
                to hold it (:mod:`components.compute.layers.folded_mask`).

        Returns:
            Per layer a tensor (2, N, heads, T, d_h): keys, then values; wider, where they hold the counts.
        """
        n, length, width = features.shape
        narrow = width // self.heads
        shape = (2, n, self.heads, length, narrow + (FEATURES if log_counts is not None else 0))
        make = features.new_empty if log_counts is None else features.new_zeros
        pairs = [make(shape) for _ in self.layers]

        def fill_windows(part: slice) -> None:
            for layer, pair in zip(self.layers, pairs, strict=True):
                joint = layer.cross_kv(features[part]).view(-1, length, 2, self.heads, narrow)
                pair[:, part, :, :, :narrow] = joint.permute(2, 0, 3, 1, 4)
                if log_counts is not None:
                    pair[0, part, :, :, narrow] = log_counts[part, None].clamp(min=NEVER)

        # On the CPU one window at a time: what is transposed is still in the processor's cache.
        step = 1 if features.device.type == "cpu" else n
        map_in_threads(fill_windows, [slice(i, i + step) for i in range(0, n, step)])
        return pairs


def _group_heads(model: Whisper) -> dict[int, list[int]]:
    """Layer -> those of its heads whose cross-attention follows the audio."""
    heads: dict[int, list[int]] = {}
    for layer, head in model.alignment_heads.indices().T.tolist():
        heads.setdefault(layer, []).append(head)
    return heads


def _layer(block: ResidualAttentionBlock, arithmetic: Arithmetic) -> _Layer:
    attn, cross, mlp = block.attn, block.cross_attn, block.mlp
    return _Layer(
        attn_ln=block.attn_ln,
        qkv=fuse_linears([attn.query, attn.key, attn.value], arithmetic),
        attn_out=fuse_linears([attn.out], arithmetic),
        cross_ln=block.cross_attn_ln,
        cross_q=fuse_linears([cross.query], arithmetic),
        cross_kv=fuse_linears([cross.key, cross.value], arithmetic),
        cross_out=fuse_linears([cross.out], arithmetic),
        mlp_ln=block.mlp_ln,
        mlp_in=build_linear(mlp[0].weight, mlp[0].bias, arithmetic, "gelu"),
        mlp_out=fuse_linears([mlp[2]], arithmetic),
    )
