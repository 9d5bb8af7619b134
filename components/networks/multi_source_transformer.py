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
from transformers.activations import ACT2FN

KeysValues = tuple[Tensor, Tensor]
"""Keys and values, each (N, H, S, d)."""


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention over a memory.

    Args:
        width: features of the queries and of the output.
        heads: attention heads; they divide the width.
        memory: features of the memory; the width if None.
    """

    def __init__(self, width: int, heads: int, memory: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj, self.v_proj = nn.Linear(memory or width, width), nn.Linear(memory or width, width)

    def project_memory(self, memory: Tensor) -> KeysValues:
        """Project a memory (N, S, features) to keys and values."""
        return self._split(self.k_proj(memory)), self._split(self.v_proj(memory))

    def forward(self, hidden: Tensor, keys_values: KeysValues, bias: Tensor | None) -> Tensor:
        """Attend from ``hidden``, giving contexts (both N, T, width); scores get ``bias`` (N, 1, T, S)."""
        keys, values = keys_values
        queries = self._split(self.q_proj(hidden)) * keys.shape[-1] ** -0.5
        scores = queries @ keys.transpose(-1, -2)
        weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
        context: Tensor = self.out_proj((weights @ values).transpose(1, 2).flatten(2))
        return context

    def _split(self, features: Tensor) -> Tensor:
        return features.view(*features.shape[:-1], self.heads, -1).transpose(1, 2)


class MultiSourceLayer(nn.Module):
    """A Transformer layer: self-attention, attention to each memory, feed-forward network."""

    def __init__(self, config: MarianConfig, memories: Sequence[int]) -> None:
        super().__init__()
        width, heads = config.d_model, config.decoder_attention_heads
        self.dropout, self.activation_fn = config.dropout, ACT2FN[config.activation_function]
        self.self_attn, self.self_attn_layer_norm = MultiHeadAttention(width, heads), nn.LayerNorm(width)
        self.encoder_attn = MultiHeadAttention(width, heads, memories[0])
        self.more_attn = nn.ModuleList(MultiHeadAttention(width, heads, size) for size in memories[1:])
        self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = (
            nn.Linear(width, config.decoder_ffn_dim),
            nn.Linear(config.decoder_ffn_dim, width),
        )
        self.final_layer_norm = nn.LayerNorm(width)

    @property
    def cross_attentions(self) -> list[MultiHeadAttention]:
        """The attention modules, one per memory."""
        return [self.encoder_attn, *self.more_attn]

    def forward(
        self,
        hidden: Tensor,
        own_keys_values: KeysValues,
        bias: Tensor | None,
        memory_keys_values: Sequence[KeysValues],
        masks: Sequence[Any],
    ) -> Tensor:
        """Compute hidden states (N, T, width).

        Args:
            hidden: the layer's input (N, T, width).
            own_keys_values: of the sequence itself.
            bias: added to the scores of self-attention (N or 1, 1, T, T), or None.
            memory_keys_values: of each memory.
            masks: biases for the scores of each memory (N, 1, 1, S), or None.
        """
        hidden = self.self_attn_layer_norm(
            hidden + self._apply_dropout(self.self_attn(hidden, own_keys_values, bias))
        )
        contexts = [
            attend(hidden, pair, mask)
            for attend, pair, mask in zip(self.cross_attentions, memory_keys_values, masks, strict=True)
        ]
        hidden = self.encoder_attn_layer_norm(hidden + self._apply_dropout(torch.stack(contexts).sum(0)))
        inner = self.fc2(self.activation_fn(self.fc1(hidden)))
        return self.final_layer_norm(hidden + self._apply_dropout(inner))  # type: ignore[no-any-return]

    def _apply_dropout(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


class MultiSourceStack(nn.Module):
    """Transformer layers over a sequence, causal or not, that attend to memories.

    Args:
        config: a Marian configuration, for widths, heads and the number of (decoder) layers.
        memories: features of each memory.
        causal: whether a position sees only itself and those before it.
    """

    def __init__(self, config: MarianConfig, memories: Sequence[int], *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.layers = nn.ModuleList(MultiSourceLayer(config, memories) for _ in range(config.decoder_layers))

    def init_from_decoder(self, decoder: Any) -> None:
        """Copy the weights of a Marian decoder; memories that it does not have start without influence."""
        for layer, decoder_layer in zip(self._layers(), decoder.layers, strict=True):
            mismatch = layer.load_state_dict(decoder_layer.state_dict(), strict=False)
            unknown = [name for name in mismatch.missing_keys if not name.startswith("more_attn")]
            assert not unknown
            assert not mismatch.unexpected_keys
            for attention in layer.cross_attentions[1:]:
                nn.init.zeros_(attention.out_proj.weight)
                nn.init.zeros_(attention.out_proj.bias)

    def project_memories(self, memories: Sequence[Tensor]) -> list[list[KeysValues]]:
        """Project memories (N, S, features) to keys and values: for every layer, those of each memory."""
        return [
            [
                attend.project_memory(memory)
                for attend, memory in zip(layer.cross_attentions, memories, strict=True)
            ]
            for layer in self._layers()
        ]

    def forward(
        self,
        hidden: Tensor,
        keys: Sequence[Sequence[KeysValues]],
        masks: Sequence[Tensor | None],
        own_mask: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Compute hidden states (N, T, width) of embedded tokens.

        Args:
            hidden: embedded tokens (N, T, width).
            keys: keys and values of the memories, as :meth:`project_memories` gives them.
            masks: of each memory (N, S), True where a position is not padding; None where nothing is.
            own_mask: the same of the sequence itself (N, T); a causal stack needs none, as padding comes
                last.
            cache: a key-value cache of the sequence, which grows by T positions; None for whole sequences.
        """
        biases = [None if mask is None else mask_to_bias(mask, hidden.dtype) for mask in masks]
        bias = None if own_mask is None else mask_to_bias(own_mask, hidden.dtype)
        if self.causal and hidden.shape[1] > 1:
            bias = causal_bias(hidden.shape[1], hidden)
        for index, layer in enumerate(self._layers()):
            keys_values = layer.self_attn.project_memory(hidden)
            if cache is not None:
                keys_values = cache.update(*keys_values, index)
            hidden = layer(hidden, keys_values, bias, keys[index], biases)
        return hidden

    def _layers(self) -> list[MultiSourceLayer]:
        return list(self.layers)  # type: ignore[arg-type]


def mask_to_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to scores (N, 1, 1, S) so that only positions of ``mask`` (N, S) count."""
    zero = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zero.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None]


def causal_bias(length: int, like: Tensor) -> Tensor:
    """Return what is added to scores (1, 1, T, T) so that a position sees itself and those before it."""
    full = torch.full((length, length), torch.finfo(like.dtype).min, dtype=like.dtype, device=like.device)
    return full.triu(1)[None, None]


def embed_tokens(model: Any, tokens: Tensor, start: int = 0) -> Tensor:
    """Embed tokens as Marian's decoder does: scaled embeddings, sinusoidal positions, dropout.

    Args:
        model: a MarianMTModel.
        tokens: ids (N, T).
        start: position of the first of them.

    Returns:
        Embedded tokens (N, T, width).
    """
    decoder = model.model.decoder
    positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
    hidden = decoder.embed_tokens(tokens) * decoder.embed_scale
    hidden = hidden + decoder.embed_positions(tokens.shape, position_ids=positions).to(hidden.dtype)
    return functional.dropout(hidden, model.config.dropout, model.training)
