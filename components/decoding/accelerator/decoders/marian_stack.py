"""Marian's text decoder off the CPU: members of one architecture are one decoder with stacked weights.

On a card a small decoder spends its time on starting kernels, not on products. So the weights of G members
are stacked, every layer of all members is one batched product, and the heads of all members are the heads of
one attention: an ensemble of four costs about as many kernels as one model. One member alone is a stack of
one. The models keep their parameters, as parts of the stack: nothing is in memory twice.

Letters in shapes: G members, n utterances, b rows of each at most, R rows, t tokens, H heads of a member, d
model width, S source positions, P columns of the cache, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MarianMTModel

from components.decoding.accelerator.fixed_shapes.kept_workspaces import Workspaces
from components.decoding.accelerator.fixed_shapes.static_cache import AnyBeamCache
from components.decoding.accelerator.fixed_shapes.static_steps import DecoderSizes

_Affine = tuple[Tensor, Tensor]
"""Weight and bias of all members."""
_STACKS: WeakKeyDictionary[nn.Module, dict[tuple[ref[nn.Module], ...], MarianStack]] = WeakKeyDictionary()
"""First model -> the others -> their stack, as long as the models are there."""
MAX_STACKS = 4
"""Stacks of one first model that are kept: each but the newest is a copy of its models' weights."""


class MarianStack:
    """The stacked decoders of models of one architecture, and how they run; holds no state of a search.

    Attributes:
        workspaces: buffers that searches use one after another, where steps have fixed shapes.
        sizes: what decides them.
    """

    def __init__(self, models: Sequence[MarianMTModel]) -> None:
        """Stack the weights of ``models``, whose parameters become views of the stack."""
        decoder: Any = models[0].model.decoder
        self.n_members, self.heads = len(models), models[0].config.decoder_attention_heads
        self.scale, self._activate = decoder.embed_scale, decoder.layers[0].activation_fn
        self._positions = decoder.embed_positions.weight
        decoders: list[Any] = [model.model.decoder for model in models]
        parts = _Parts(models)
        self.embedding = parts.stack([[d.embed_tokens.weight] for d in decoders])  # (G, V, d)
        self.layers = [_Layer(parts, [d.layers[i] for d in decoders]) for i in range(len(decoder.layers))]
        heads: list[Any] = [model.lm_head.weight for model in models]
        is_tied = all(head is d.embed_tokens.weight for head, d in zip(heads, decoders, strict=True))
        self._output = self.embedding if is_tied else parts.stack([[head] for head in heads])
        self._output_bias = torch.stack([model.final_logits_bias for model in models])  # (G, 1, V)
        parts.replace()
        self.workspaces = Workspaces()
        self.sizes = DecoderSizes(self.n_members, self._output.shape[1], len(self._positions))

    def run_layers(
        self, tokens: Tensor, cache: AnyBeamCache, cross: Sequence[Tensor], mask: Tensor | None
    ) -> Tensor:
        """Run the decoders over the next tokens; the cache has started the step.

        Args:
            tokens: (R, t).
            cache: their self-attention.
            cross: of each layer keys and values (2, n, G * H, S, d / H) of the sources.
            mask: of the sources (n, G * H, 1, S): True where they are attended to, or
                what is added to scores.

        Returns:
            Hidden states (G, R, t, d).
        """
        t = tokens.shape[1]
        embedded = self.embedding[:, tokens] * self.scale + cache.take_positions(self._positions)
        x: Tensor = embedded.flatten(1, 2)
        for i, layer in enumerate(self.layers):
            q, k, v = self.split(_apply(layer.qkv, x), t, 3)
            own = self._attend(q, cache.append(i, k, v), cache.mask, cache)
            x = _add(layer, 0, _apply(layer.out, own), x)
            (q,) = self.split(_apply(layer.cross_q, x), t, 1)
            source = self._attend(q, cross[i], mask, cache)
            x = _add(layer, 1, _apply(layer.cross_out, source), x)
            x = _add(layer, 2, _apply(layer.fc2, self._activate(_apply(layer.fc1, x))), x)
        return x.view(self.n_members, len(tokens), t, -1)

    def project_sources(self, memory: Tensor) -> list[Tensor]:
        """Encoder outputs (G, n, S, d) -> of each layer keys and values (2, n, G * H, S, d / H)."""
        flat, length = memory.flatten(1, 2), memory.shape[2]
        return [self.split(_apply(layer.cross_kv, flat), length, 2) for layer in self.layers]

    def split(self, x: Tensor, t: int, parts: int) -> Tensor:
        """(G, R * t, parts * d) -> (parts, R, G * H, t, d / H)."""
        x = x.view(self.n_members, -1, t, parts, self.heads, x.shape[-1] // (parts * self.heads))
        return x.permute(3, 1, 0, 4, 2, 5).flatten(2, 3)

    def _attend(
        self, q: Tensor, states: Sequence[Tensor] | Tensor, mask: Tensor | None, cache: AnyBeamCache
    ) -> Tensor:
        """Return attention of queries (R, G * H, t, d / H) to keys and values: (G, R * t, d)."""
        queries, (keys, values) = cache.stack_queries(q), states
        heads = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        rows = cache.to_rows(heads.transpose(1, 2))
        return rows.reshape(rows.shape[0] * rows.shape[1], self.n_members, -1).transpose(0, 1)

    def scores(self, hidden: Tensor) -> Tensor:
        """Hidden states (G, r, d) -> scores (G, r, V), float32."""
        return torch.baddbmm(self._output_bias.to(hidden.dtype), hidden, self._output.mT).float()


class _Layer:
    """The stacked weights of one decoder layer."""

    def __init__(self, parts: _Parts, layers: Sequence[Any]) -> None:
        own, cross = [layer.self_attn for layer in layers], [layer.encoder_attn for layer in layers]
        self.qkv = parts.linear([[a.q_proj, a.k_proj, a.v_proj] for a in own])
        self.out = parts.linear([[a.out_proj] for a in own])
        self.cross_q = parts.linear([[a.q_proj] for a in cross])
        self.cross_kv = parts.linear([[a.k_proj, a.v_proj] for a in cross])
        self.cross_out = parts.linear([[a.out_proj] for a in cross])
        self.fc1 = parts.linear([[layer.fc1] for layer in layers])
        self.fc2 = parts.linear([[layer.fc2] for layer in layers])
        names = ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm")
        self.norms = [parts.linear([[getattr(layer, name)] for layer in layers]) for name in names]
        self.eps = layers[0].final_layer_norm.eps


class _Parts:
    """Stacks parameters, and then lets the models have views of the stacks."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._places: dict[int, list[tuple[nn.Module, str]]] = {}
        self._views: dict[int, Tensor] = {}
        for model in models:
            for module in model.modules():
                for name, parameter in module._parameters.items():
                    if parameter is not None:
                        self._places.setdefault(id(parameter), []).append((module, name))

    def linear(self, modules: Sequence[Sequence[Any]]) -> _Affine:
        """Weight and bias of layers that are joined to one, per member: (G, out, in) and (G, 1, out)."""
        weight = self.stack([[module.weight for module in member] for member in modules])
        bias = self.stack([[module.bias for module in member] for member in modules])
        return (weight if weight.dim() == 3 else weight[:, None]), bias[:, None]

    def stack(self, parameters: Sequence[Sequence[Tensor]]) -> Tensor:
        """Return parameters of each member, joined along their first dimension, in one tensor (G, ...)."""
        if len(parameters) == 1 and len(parameters[0]) == 1:
            return parameters[0][0].detach()[None]
        stacked = torch.stack([torch.cat([p.detach() for p in member]) for member in parameters])
        for whole, member in zip(stacked, parameters, strict=True):
            start = 0
            for parameter in member:
                self._views[id(parameter)] = whole[start : start + len(parameter)]
                start += len(parameter)
        return stacked

    def replace(self) -> None:
        """Put the views into the models, wherever the parameters were."""
        for key, view in self._views.items():
            parameter = nn.Parameter(view, requires_grad=False)  # one, so that what was tied stays so
            for module, name in self._places[key]:
                module._parameters[name] = parameter


def stack_models(models: Sequence[MarianMTModel]) -> MarianStack:
    """Return the stack of ``models`` of one architecture, made once."""
    stacks = _STACKS.setdefault(models[0], {})
    key: tuple[ref[nn.Module], ...] = tuple(ref(model) for model in models[1:])
    if key in stacks:
        stacks[key] = stacks.pop(key)  # used last
    else:
        for gone in [known for known in stacks if any(model() is None for model in known)]:
            del stacks[gone]
        if len(stacks) >= MAX_STACKS:
            del stacks[next(iter(stacks))]
        with torch.inference_mode(False), torch.no_grad():
            stacks[key] = MarianStack(models)
    return stacks[key]


def architecture_of(model: MarianMTModel) -> tuple[Any, ...]:
    """Return what two models have in common that can be stacked, their type and device among it."""
    decoder: Any = model.model.decoder
    shapes = tuple((name, p.shape, p.dtype, p.device) for name, p in decoder.named_parameters())
    is_tied = model.lm_head.weight is decoder.embed_tokens.weight
    config = model.config
    settings = (config.activation_function, config.decoder_attention_heads, decoder.embed_scale, is_tied)
    return (*settings, model.lm_head.weight.shape, shapes)


def _apply(linear: _Affine, x: Tensor) -> Tensor:
    """(G, r, in) -> (G, r, out)."""
    return torch.baddbmm(linear[1], x, linear[0].mT)


def _add(layer: _Layer, index: int, update: Tensor, x: Tensor) -> Tensor:
    """Return the layer norm of the sum, with each member's own weight and bias."""
    weight, bias = layer.norms[index]
    width = x.shape[-1:]
    if len(weight) == 1:
        return functional.layer_norm(update.add_(x), width, weight[0, 0], bias[0, 0], layer.eps)
    return torch.addcmul(bias, functional.layer_norm(update.add_(x), width, eps=layer.eps), weight)
