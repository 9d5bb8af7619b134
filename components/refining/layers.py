"""Transformer layers that attend to several memories, under Marian's names so that its weights load.

Post-norm as Marian's (Vaswani et al., 2017). The contexts of all memories are added in one sublayer; where
the output projection of a new memory is zero, the layer is the one that its weights came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MarianConfig

Pair = tuple[Tensor, Tensor]
"""Keys and values, each (N, H, S, d)."""


class Attention(nn.Module):
    """Scaled dot-product attention with ``heads`` heads over a memory of ``memory`` features."""

    def __init__(self, width: int, heads: int, memory: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj, self.v_proj = nn.Linear(memory or width, width), nn.Linear(memory or width, width)

    def keys(self, memory: Tensor) -> Pair:
        """Keys and values of ``memory`` (N, S, features)."""
        return self._split(self.k_proj(memory)), self._split(self.v_proj(memory))

    def forward(self, hidden: Tensor, pair: Pair, bias: Tensor | None) -> Tensor:
        """Contexts (N, T, width) of ``hidden`` (N, T, width); ``bias`` is added to scores (N, 1, T, S)."""
        keys, values = pair
        queries = self._split(self.q_proj(hidden)) * keys.shape[-1] ** -0.5
        scores = queries @ keys.transpose(-1, -2)
        weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
        context: Tensor = self.out_proj((weights @ values).transpose(1, 2).flatten(2))
        return context

    def _split(self, features: Tensor) -> Tensor:
        return features.view(*features.shape[:-1], self.heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention, attention to each memory, feed-forward."""

    def __init__(self, config: MarianConfig, memories: Sequence[int]) -> None:
        super().__init__()
        width, heads = config.d_model, config.decoder_attention_heads
        self.dropout = config.dropout
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.encoder_attn = Attention(width, heads, memories[0])
        self.more_attn = nn.ModuleList(Attention(width, heads, size) for size in memories[1:])
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = (
            nn.Linear(width, config.decoder_ffn_dim),
            nn.Linear(config.decoder_ffn_dim, width),
        )
        self.final_layer_norm = nn.LayerNorm(width)

    @property
    def cross(self) -> list[Attention]:
        """The attention to each memory."""
        return [self.encoder_attn, *self.more_attn]

    def forward(
        self, hidden: Tensor, own: Pair, bias: Tensor | None, pairs: Sequence[Pair], masks: Sequence[Any]
    ) -> Tensor:
        """Hidden states (N, T, width), given keys and biases of itself and of each memory."""
        hidden = self.self_attn_layer_norm(hidden + self._drop(self.self_attn(hidden, own, bias)))
        contexts = [
            attend(hidden, pair, mask) for attend, pair, mask in zip(self.cross, pairs, masks, strict=True)
        ]
        hidden = self.encoder_attn_layer_norm(hidden + self._drop(torch.stack(contexts).sum(0)))
        inner = self.fc2(functional.silu(self.fc1(hidden)))
        return self.final_layer_norm(hidden + self._drop(inner))  # type: ignore[no-any-return]

    def _drop(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


class Stack(nn.Module):
    """Layers over a sequence, causal or not, that attend to memories of the given widths."""

    def __init__(self, config: MarianConfig, memories: Sequence[int], *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.layers = nn.ModuleList(Layer(config, memories) for _ in range(config.decoder_layers))

    def start_from(self, decoder: Any) -> None:
        """Take the weights of a Marian decoder; memories that it does not have start without influence."""
        for layer, taken in zip(self._layers(), decoder.layers, strict=True):
            left = layer.load_state_dict(taken.state_dict(), strict=False)
            unknown = [name for name in left.missing_keys if not name.startswith("more_attn")]
            assert not unknown
            assert not left.unexpected_keys
            for attention in layer.cross[1:]:
                nn.init.zeros_(attention.out_proj.weight)
                nn.init.zeros_(attention.out_proj.bias)

    def keys(self, memories: Sequence[Tensor]) -> list[list[Pair]]:
        """Keys and values of each memory (N, S, features), for every layer."""
        return [
            [attend.keys(memory) for attend, memory in zip(layer.cross, memories, strict=True)]
            for layer in self._layers()
        ]

    def forward(
        self,
        hidden: Tensor,
        keys: Sequence[Sequence[Pair]],
        masks: Sequence[Tensor | None],
        own: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Hidden states (N, T, width) of embedded tokens (N, T, width).

        ``masks`` are True at real positions of each memory (N, S); ``own`` likewise of the sequence itself,
        which a causal stack does not need (padding comes last). ``cache`` grows by T positions.
        """
        biases = [None if mask is None else bias_of(mask, hidden.dtype) for mask in masks]
        bias = None if own is None else bias_of(own, hidden.dtype)
        if self.causal and hidden.shape[1] > 1:
            bias = causal_bias(hidden.shape[1], hidden)
        for index, layer in enumerate(self._layers()):
            pair = layer.self_attn.keys(hidden)
            if cache is not None:
                pair = cache.update(*pair, index)
            hidden = layer(hidden, pair, bias, keys[index], biases)
        return hidden

    def _layers(self) -> list[Layer]:
        return list(self.layers)  # type: ignore[arg-type]


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to scores (N, 1, 1, S) so that only positions of ``mask`` (N, S) are attended."""
    zero = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zero.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None]


def causal_bias(length: int, like: Tensor) -> Tensor:
    """What is added to scores (1, 1, T, T) so that a position attends to itself and those before it."""
    full = torch.full((length, length), torch.finfo(like.dtype).min, dtype=like.dtype, device=like.device)
    return full.triu(1)[None, None]


def embedded(model: Any, tokens: Tensor, start: int = 0) -> Tensor:
    """Tokens (N, T) from position ``start`` as Marian's decoder embeds them, with its dropout (N, T, width).

    ``model`` is a MarianMTModel (its own scale and sinusoidal positions).
    """
    decoder = model.model.decoder
    places = torch.arange(start, start + tokens.shape[1], device=tokens.device)
    hidden = decoder.embed_tokens(tokens) * decoder.embed_scale
    hidden = hidden + decoder.embed_positions(tokens.shape, position_ids=places).to(hidden.dtype)
    return functional.dropout(hidden, model.config.dropout, model.training)
