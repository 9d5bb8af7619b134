"""Marian's text decoder off the CPU: members of one architecture are one decoder with stacked weights.

On a card a small decoder spends its time on starting kernels, not on products. So the weights of G members
are stacked, every layer of all members is one batched product, and the heads of all members are the heads of
one attention: an ensemble of four costs about as many kernels as one model. One member alone is a stack of
one. The models keep their parameters, as parts of the stack: nothing is in memory twice.

Letters in shapes: G members, n utterances, R rows, t tokens, H heads of a member, d model width, S source
positions, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MarianMTModel

from components.decoding.models.beam_cache import BeamCache
from components.decoding.moves import Move, Rows
from components.decoding.scorers import common_count

_Affine = tuple[Tensor, Tensor]
"""Weight and bias of all members."""
_STACKS: WeakKeyDictionary[nn.Module, dict[tuple[ref[nn.Module], ...], MarianStack]] = WeakKeyDictionary()
"""First model -> the others -> their stack, as long as the models are there."""


class MarianStack:
    """The stacked decoders of models of one architecture, and how they run; holds no state of a search."""

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

    def embed(self, tokens: Tensor, start: int) -> Tensor:
        """Tokens (R, t) at positions ``start`` and on -> (G, R * t, d)."""
        positions = self._positions[start : start + tokens.shape[1]]
        x: Tensor = self.embedding[:, tokens] * self.scale + positions
        return x.flatten(1, 2)

    def activate(self, x: Tensor) -> Tensor:
        """The activation between the two products of a layer."""
        return self._activate(x)  # type: ignore[no-any-return]

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
        """Parameters of each member, joined along their first dimension, in one tensor (G, ...)."""
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


def stack_models(models: Sequence[MarianMTModel]) -> MarianStack | None:
    """The stack of ``models``, made once; None where they differ in architecture, type or device."""
    if len({_architecture_of(model) for model in models}) > 1:
        return None
    others: tuple[ref[nn.Module], ...] = tuple(ref(model) for model in models[1:])
    stacks, key = _STACKS.setdefault(models[0], {}), others
    if key not in stacks:
        with torch.inference_mode(False), torch.no_grad():
            stacks[key] = MarianStack(models)
    return stacks[key]


def _architecture_of(model: MarianMTModel) -> tuple[Any, ...]:
    decoder: Any = model.model.decoder
    shapes = tuple((name, p.shape, p.dtype, p.device) for name, p in decoder.named_parameters())
    is_tied = model.lm_head.weight is decoder.embed_tokens.weight
    config = model.config
    settings = (config.activation_function, config.decoder_attention_heads, decoder.embed_scale, is_tied)
    return (*settings, model.lm_head.weight.shape, shapes)


class StackedMarianState:
    """The rows of one batch in a stack of decoders, with their cache."""

    def __init__(self, stack: MarianStack, encoded: Sequence[Tensor], masks: Sequence[Tensor | None]) -> None:
        """Compute the keys and values of the sources.

        Args:
            stack: The decoders.
            encoded: Each member's encoder output (n, S, d); S may differ.
            masks: Theirs, 0 at padding (n, S); None where there is none.
        """
        self._stack = stack
        self.rows = Rows(len(encoded[0]), encoded[0].device)
        self._cache, self._steps = BeamCache(self.rows), 0
        longest = max(states.shape[1] for states in encoded)
        memory = torch.stack([functional.pad(s, (0, 0, 0, longest - s.shape[1])) for s in encoded])
        flat = memory.flatten(1, 2)
        self._cross = [self._split(_apply(layer.cross_kv, flat), longest, 2) for layer in stack.layers]
        self._mask: Tensor | None = None
        if any(mask is not None for mask in masks) or len({s.shape[1] for s in encoded}) > 1:
            full = [
                states.new_ones(states.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
                for states, mask in zip(encoded, masks, strict=True)
            ]
            padded = [functional.pad(mask, (0, longest - mask.shape[1])) for mask in full]
            by_head = torch.stack(padded, dim=1)[:, :, None].expand(-1, -1, stack.heads, -1)
            self._mask = by_head.flatten(1, 2)[:, :, None]  # (n, G * H, 1, S)

    def _split(self, x: Tensor, t: int, parts: int) -> Tensor:
        """(G, R * t, parts * d) -> (parts, R, G * H, t, d / H)."""
        members, heads = self._stack.n_members, self._stack.heads
        x = x.view(members, -1, t, parts, heads, x.shape[-1] // (parts * heads))
        return x.permute(3, 1, 0, 4, 2, 5).flatten(2, 3)

    def _join(self, rows: Tensor) -> Tensor:
        """(R, t, G * H, d / H) -> (G, R * t, d)."""
        r, t = rows.shape[:2]
        return rows.reshape(r * t, self._stack.n_members, -1).transpose(0, 1)

    def reorder(self, beam_indices: Tensor) -> None:
        """Row r becomes a copy of row ``beam_indices[r]``; utterances without rows are dropped."""
        move = self.rows.move(beam_indices)
        self._cache.reorder(move)
        if move.remaining is not None:
            self._cross = [pair[:, move.remaining] for pair in self._cross]
            self._mask = None if self._mask is None else self._mask[move.remaining]

    def retract(self, count: int) -> None:
        """Every row forgets its last ``count`` tokens."""
        self._cache.retract(count)
        self._steps -= count

    def step(self, tokens: Tensor) -> Tensor:
        """Run the decoders over ``tokens`` (R, t); returns hidden states (G, R, t, d)."""
        stack, cache, t = self._stack, self._cache, tokens.shape[1]
        cache.start_step(t)
        x = stack.embed(tokens, self._steps)
        for i, layer in enumerate(stack.layers):
            q, k, v = self._split(_apply(layer.qkv, x), t, 3)
            keys, values = cache.append(i, k, v)
            x = self._add(layer, 0, self._attend(q, keys, values, cache.mask, layer.out), x)
            (q,) = self._split(_apply(layer.cross_q, x), t, 1)
            keys, values = self._cross[i]
            x = self._add(layer, 1, self._attend(q, keys, values, self._mask, layer.cross_out), x)
            x = self._add(layer, 2, _apply(layer.fc2, stack.activate(_apply(layer.fc1, x))), x)
        self._steps += t
        return x.view(stack.n_members, len(tokens), t, -1)

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, out: _Affine) -> Tensor:
        """Attention of queries (R, G * H, t, d / H), projected: (G, R * t, d)."""
        queries = self._cache.stack_queries(q)
        heads = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return _apply(out, self._join(self._cache.to_rows(heads.transpose(1, 2))))

    def _add(self, layer: _Layer, index: int, update: Tensor, x: Tensor) -> Tensor:
        """The layer norm of the sum, with each member's own weight and bias."""
        weight, bias = layer.norms[index]
        width = x.shape[-1:]
        if len(weight) == 1:
            return functional.layer_norm(update.add_(x), width, weight[0, 0], bias[0, 0], layer.eps)
        return torch.addcmul(bias, functional.layer_norm(update.add_(x), width, eps=layer.eps), weight)


def _apply(linear: _Affine, x: Tensor) -> Tensor:
    """(G, r, in) -> (G, r, out)."""
    return torch.baddbmm(linear[1], x, linear[0].mT)


class _Member(Protocol):
    """A prepared member."""

    @property
    def start(self) -> Tensor:
        """The decoder's first tokens, (t,) or (n, t)."""
        ...

    def encode_source(self) -> tuple[Tensor, Tensor | None]:
        """Run the encoder: its output (n, S, d), and the mask (n, S) where there is padding."""
        ...


class StackedMarianScorers:
    """Several prepared members as one: a token scorer whose scores are (G, R, V), a member each."""

    def __init__(self, stack: MarianStack, members: Sequence[_Member]) -> None:
        self._stack, self._members = stack, members

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoders and the start tokens."""
        encoded, masks = zip(*(member.encode_source() for member in self._members), strict=True)
        self._state = StackedMarianState(self._stack, encoded, masks)
        start = self._members[0].start.to(encoded[0].device).expand(len(encoded[0]), -1)
        return self._run(start)[:, :, -1]

    def follow(self, move: Move) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._state.rows.announce(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t)."""
        self._state.reorder(beam_indices)
        return self._run(tokens, last=1)[:, :, -1]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """The same with the scores after every token, (G, R, t, V)."""
        self._state.reorder(beam_indices)
        return self._run(tokens)

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens."""
        self._state.retract(common_count(counts))

    def _run(self, tokens: Tensor, last: int = 0) -> Tensor:
        hidden = self._state.step(tokens)[:, :, -last:]
        g, rows, t, _ = hidden.shape
        return self._stack.scores(hidden.reshape(g, rows * t, -1)).view(g, rows, t, -1)
