"""The cross-attention of Whisper's alignment heads, those that follow the audio, over whole texts.

Letters in shapes: N windows, t tokens, T encoder positions, h alignment heads of a layer, d_h their width.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional

from components.compute.layers.folded_mask import attend
from components.decoding.models.whisper_decoder import WhisperDecoder


def alignment_scores(
    decoder: WhisperDecoder, texts: Tensor, cross: list[Tensor], counts: Tensor | None, slots: Tensor
) -> Iterator[Tensor]:
    """Read whole texts in one pass, as far as the last layer with alignment heads.

    Args:
        decoder: the weights.
        texts: tokens of N texts from the start sequence on, padded at the end, (N, t).
        cross: per layer the keys and values (2, N, heads, T, d_h) of the windows, or wider with counts.
        counts: logarithm of how many positions each encoded one stands for, (N, T); None: one each, or
            ``cross`` holds it.
        slots: where the window of each text is in ``cross`` and ``counts``, (N,).

    Yields:
        For every layer with alignment heads their scores before the softmax, (N, h, t, T).
    """
    n, t = texts.shape
    shape = (n, t, decoder.heads, -1)
    mask = None if counts is None else counts[:, None, None]
    x: Tensor = decoder.tokens(texts[slots.argsort()].to(decoder.device)) + decoder.positions[:t]
    for i, layer in enumerate(decoder.layers):
        q, k, v = (part.view(shape).transpose(1, 2) for part in layer.qkv(layer.attn_ln(x)).chunk(3, -1))
        own = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + layer.attn_out(own.transpose(1, 2).flatten(2))
        q = layer.cross_q(layer.cross_ln(x)).view(shape).transpose(1, 2)
        keys, values = cross[i]
        if heads := decoder.alignment_heads.get(i):
            scaled = q[:, heads] * q.shape[-1] ** -0.5
            yield (scaled @ keys[:, heads, :, : q.shape[-1]].mT)[slots.to(scaled.device)]
        if i == max(decoder.alignment_heads, default=0):
            return
        out = attend(q, keys, values, mask)
        x = x + layer.cross_out(out.transpose(1, 2).flatten(2))
        x = x + layer.mlp_out(layer.mlp_in(layer.mlp_ln(x)))
