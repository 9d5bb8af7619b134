"""Token scorers from transformers' decoder-only models, which continue one prompt per utterance.

Prompts are padded on the left. The prefix that all prompts of a batch share (instructions, examples) is run
once, kept for the next batch, and shared by the rows; not so in models that attend over a window or in
chunks, where the padding behind it would count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from components.compute.layers.fused_qkv import fuse_qkv
from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import prepack
from components.decoding.caches import kv_cache
from components.decoding.caches.beam_cache import BeamCache, as_transformers_cache
from components.decoding.caches.reorderable import require_reorderable
from components.decoding.caches.shared_attention import attend_to, share_attention
from components.decoding.models.generation_settings import (
    eos_of,
    generation_setting,
    warn_about_ignored_settings,
)
from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import Vocabulary, common_count, hide_last
from components.errors import ConfigError

_MIN_SHARED_PREFIX = 8
"""Tokens of a shared prefix from which a pass of its own pays off."""


class CausalModel:
    """A loaded decoder-only model, prepared for batched decoding.

    Attributes:
        vocabulary: its output tokens.
        positions: the largest number of positions it has.
        shares_prefix: whether the prefix that prompts share can be run once.
        shares_cache: whether the rows of an utterance share a cache (:mod:`.beam_cache`).
    """

    def __init__(
        self,
        model: Any,
        digest: str,
        name: str,
        arithmetic: Arithmetic | None = None,
    ) -> None:
        """Prepare ``model``.

        Args:
            model: a causal language model of transformers.
            digest: of its vocabulary (see :func:`components.decoding.scorers.digest_of`).
            name: how messages name it.
            arithmetic: pack the linear layers for the CPU with this arithmetic, in place: afterwards the
                model can be run, but not saved or trained. None leaves them as they are.

        Raises:
            ModelError: Its layers keep other state than keys and values.
        """
        require_reorderable(model, name)
        warn_about_ignored_settings(model, name)
        self.model = model.eval()
        self.name = name
        self.cache_argument = kv_cache.cache_argument(model)
        eos, pad = eos_of(model), generation_setting(model, "pad_token_id")
        size = int(model.get_output_embeddings().weight.shape[0])
        self.vocabulary = Vocabulary(size, eos, eos[0] if pad is None else int(pad), digest)
        config = model.config.get_text_config()
        self.positions = int(getattr(config, "max_position_embeddings", None) or 1 << 20)
        self.shares_prefix = _attention_span(config) >= self.positions
        off_cpu = model.device.type != "cpu"
        self.shares_cache = off_cpu and self.shares_prefix and share_attention(model)
        if arithmetic is not None:
            fuse_qkv(model, arithmetic)
            prepack(model, arithmetic)
        self._prefix: tuple[tuple[int, ...], list[tuple[Tensor, Tensor]]] = ((), [])

    def build_scorer(self, prompts: Sequence[Sequence[int]], eos: tuple[int, ...] = ()) -> CausalScorer:
        """Return a token scorer that continues ``prompts``.

        Args:
            prompts: token ids, one non-empty sequence per utterance.
            eos: the tokens that end a sequence, instead of the model's (an answer of one line ends at a line
                break).

        Returns:
            A scorer for one search.

        Raises:
            ConfigError: A prompt is empty or too long.
        """
        if any(len(prompt) == 0 for prompt in prompts):
            raise ConfigError(f"{self.name}: expected prompts of at least one token, found an empty one")
        longest = max(map(len, prompts), default=0)
        if longest >= self.positions:
            raise ConfigError(f"{self.name}: expected prompts below {self.positions} tokens, found {longest}")
        vocabulary = replace(self.vocabulary, eos=eos) if eos else self.vocabulary
        return CausalScorer(self, [tuple(prompt) for prompt in prompts], vocabulary)

    @torch.inference_mode()
    def prefix_states(self, tokens: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Keys and values (1, H, p, d) per layer of ``tokens`` at the start; kept until another is needed."""
        known_tokens, states = self._prefix
        if known_tokens != tokens:
            cache = kv_cache.growing_cache()
            row = torch.tensor([tokens], device=self.model.device)
            self.run(row, None, torch.arange(len(tokens), device=row.device)[None], cache)
            states = kv_cache.keys_and_values_of(cache)
            self._prefix = (tokens, states)
        return states

    def run(
        self, tokens: Tensor, mask: Tensor | None, positions: Tensor, cache: Any, last: int = 1
    ) -> Tensor:
        """Run the model over new tokens.

        Args:
            tokens: (R, t).
            mask: true where cache and tokens are not padding, (R, cached + t); None: nowhere.
            positions: (R, t).
            cache: is extended.
            last: after how many of the last tokens logits are needed.

        Returns:
            Logits (R, ``last``, V), float32.
        """
        output = self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=last,
            **{self.cache_argument: cache},
        )
        logits: Tensor = output.logits[:, -last:]
        return logits.float()


class CausalScorer:
    """The :class:`.scorers.TokenScorer` of a batch of prompts in a decoder-only model."""

    def __init__(self, ready: CausalModel, prompts: list[tuple[int, ...]], vocabulary: Vocabulary) -> None:
        self.name, self.vocabulary = ready.name, vocabulary
        self._ready = ready
        self._prompts = prompts
        self.shares_prefix, self.utterances = ready.shares_prefix, len(prompts)
        # What a window counts would include what was forgotten; rows that share a cache forget together.
        self.is_ragged = ready.shares_prefix and not ready.shares_cache
        self.limit = ready.positions - max(map(len, prompts), default=0) + 1

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the prompts; see :meth:`.TokenScorer.prefill`."""
        ready, prompts = self._ready, self._prompts
        shared = _common_prefix(prompts) if self.shares_prefix else ()
        rest = [prompt[len(shared) :] for prompt in prompts]
        device = ready.model.device
        lengths = torch.tensor([len(prompt) for prompt in rest], device=device)
        width = int(lengths.max())
        mask = torch.arange(width, device=device) >= width - lengths[:, None]
        tokens = torch.full(mask.shape, self.vocabulary.pad, device=device)
        tokens[mask] = torch.tensor([token for prompt in rest for token in prompt], device=device)
        self._lengths = lengths + len(shared)
        self.rows = RowLayout(len(rest), device)
        self._beam_cache = BeamCache(self.rows) if ready.shares_cache else None
        prefix = ready.prefix_states(shared) if shared else []
        self._cache = self._start_cache(prefix, len(shared))
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0) + len(shared)
        self._mask: Tensor | None = None
        if self._beam_cache is not None:
            self._beam_cache.start_step(width, real=mask)
        elif not bool(mask.all()):
            self._mask = torch.nn.functional.pad(mask, (len(shared), 0), value=True)
        return self._run_model(tokens, positions, 1)[:, 0]

    def _start_cache(self, prefix: list[tuple[Tensor, Tensor]], length: int) -> Any:
        """A cache of every row that begins with the keys and values (1, H, p, d) of a shared prefix."""
        beam_cache = self._beam_cache
        cache = kv_cache.growing_cache() if beam_cache is None else as_transformers_cache(beam_cache)
        if beam_cache is not None and prefix:
            beam_cache.start_step(length)
        for index, (keys, values) in enumerate(prefix):
            shape = (len(self._prompts), -1, -1, -1)
            cache.update(keys.expand(shape), values.expand(shape), index)
        return cache

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the cache and run one position; see :meth:`.TokenScorer.step`."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the cache and run the positions of ``tokens`` (R, t); returns (R, V)."""
        return self._run(beam_indices, tokens, 1)[:, 0]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (R, t, V)."""
        return self._run(beam_indices, tokens, tokens.shape[1])

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        if self._beam_cache is not None:
            self._beam_cache.retract(common_count(counts))
            self._lengths = self._lengths - counts
            return
        common = int(counts.min())
        if self._mask is not None or common < int(counts.max()):
            rows, cached = len(self._lengths), self._cache.get_seq_length()
            mask = counts.new_ones((rows, cached), dtype=torch.bool) if self._mask is None else self._mask
            mask = hide_last(mask, counts)
            common = cached - int(mask.any(dim=0).nonzero().max()) - 1
            mask = mask[:, : cached - common]
            self._mask = None if bool(mask.all()) else mask
        kv_cache.shorten(self._cache, common)
        self._lengths = self._lengths - counts

    def _run(self, beam_indices: Tensor, tokens: Tensor, last: int) -> Tensor:
        move = self.rows.move(beam_indices)
        if self._beam_cache is not None:
            self._beam_cache.reorder(move)
        elif not move.is_identity:
            kv_cache.reorder(self._cache, beam_indices)
        t = tokens.shape[1]
        positions = self._lengths[beam_indices, None] + torch.arange(t, device=tokens.device)
        self._lengths = self._lengths[beam_indices] + t
        if self._beam_cache is not None:
            self._beam_cache.start_step(t)
        elif self._mask is not None:
            self._mask = torch.nn.functional.pad(self._mask[beam_indices], (0, t), value=True)
        return self._run_model(tokens, positions, last)

    def _run_model(self, tokens: Tensor, positions: Tensor, last: int) -> Tensor:
        beam_cache = self._beam_cache
        mask = self._mask if beam_cache is None else beam_cache.mask
        with attend_to(beam_cache):
            return self._ready.run(tokens, mask, positions, self._cache, last)


def _attention_span(config: Any) -> float:
    """Return the number of positions that a token attends to, in the layer where they are fewest."""
    kinds = getattr(config, "layer_types", None)
    if kinds and all(kind == "full_attention" for kind in kinds):
        return math.inf
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min([window for window in windows if window], default=0 if kinds else math.inf)


def _common_prefix(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the tokens that all prompts begin with, short of a whole prompt."""
    columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    prefix = tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
    return prefix if len(prefix) >= _MIN_SHARED_PREFIX else ()
