"""Monte-Carlo dropout as a member of an ensemble (Gal and Ghahramani, 2016, arXiv:1506.02142, 1512.05287).

A mask belongs to one utterance and one seed (the variational form). Every dropout site of the network has one
mask over its features, drawn once and used at all positions of the source and of the output; every hypothesis
of the utterance descends from one row and keeps its mask when rows are reordered, repeated or dropped. An
utterance is thus decoded by one sampled network from beginning to end: its hypotheses are comparable, cached
states stay valid, and forced decoding of an output gives the score that the search gave it. The masks depend
on (seed, key of the utterance, site), not on what else is in the batch.

Dropout of attention probabilities is left out: they have no feature dimension that stays over positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from components.decoding.models.causal import CausalScorer
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.moves import RowTransition
from components.errors import ConfigError


class _RowMasks(TorchFunctionMode):
    """Within ``with``, replaces every call of ``functional.dropout`` by a product with the masks of its rows.

    ``owners`` (R,) is the utterance of each row. A dropout site is known by its part ("encoder", "decoder")
    and its order within a pass, which is the same in every pass. The mode holds for the present thread only.
    """

    def __init__(self, seed: int, keys: Sequence[int], rate: float | None) -> None:
        super().__init__()
        self.owners = torch.arange(len(keys))
        self._seed, self._keys, self._rate = seed, keys, rate
        self._part, self._site = "", 0
        self._masks: dict[tuple[str, int], Tensor] = {}

    def start_pass(self, part: str) -> _RowMasks:
        """Begin a pass through ``part`` of the network: its dropout sites are numbered from 0."""
        self._part, self._site = part, 0
        return self

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not functional.dropout:
            return func(*args, **kwargs)
        return self._apply_mask(*args, **kwargs)

    def _apply_mask(self, values: Tensor, p: float = 0.5, *_: object, **__: object) -> Tensor:
        rate = p if self._rate is None or p == 0 else self._rate
        if rate == 0:
            return values
        site, self._site = (self._part, self._site), self._site + 1
        if site not in self._masks:
            self._masks[site] = self._draw_mask(site, values.shape[-1], rate).to(values)
        mask = self._masks[site][self.owners.to(values.device)]
        return values * mask.view(len(mask), *([1] * (values.dim() - 2)), -1)

    def _draw_mask(self, site: tuple[str, int], width: int, rate: float) -> Tensor:
        rows = []
        for key in self._keys:
            name = f"{self._seed}/{key}/{site[0]}/{site[1]}".encode()
            seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
            generator = torch.Generator().manual_seed(seed)
            rows.append(torch.rand(width, generator=generator) >= rate)
        return torch.stack(rows) / (1 - rate)

    @property
    def n_sites(self) -> int:
        """Dropout sites that were met so far."""
        return len(self._masks)


class DropoutScorer:
    """A :class:`~components.decoding.scorers.TokenScorer` that runs another one with dropout.

    Args:
        inner: the scorer of the model, with N prepared utterances.
        seed: of the masks.
        rate: replaces the model's own dropout rates where they are above 0; between 0 and 1.
        keys: tell the utterances apart, one each; by default their numbers in the batch.

    Raises:
        ConfigError: the rate is out of range; at the first step, if the model has no dropout.
    """

    def __init__(
        self,
        inner: Seq2SeqScorer | CausalScorer,
        seed: int,
        *,
        rate: float | None = None,
        keys: Sequence[int] | None = None,
    ) -> None:
        if rate is not None and not 0 < rate < 1:
            raise ConfigError(f"{inner.name}: expected a dropout rate between 0 and 1, found {rate}")
        self.name = f"{inner.name} dropout {seed}"
        self.vocabulary, self.limit = inner.vocabulary, inner.limit
        self._inner = inner.as_transformers_scorer() if isinstance(inner, Seq2SeqScorer) else inner
        self._seed, self._rate, self._keys = seed, rate, keys

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Draw the masks and score the first token: (N, V)."""
        inner = self._inner
        n = inner.utterances
        keys = range(n) if self._keys is None else self._keys
        if len(keys) != n:
            raise ConfigError(f"{self.name}: expected a key for each of {n} utterances, found {len(keys)}")
        self._masks = _RowMasks(self._seed, keys, self._rate)
        if isinstance(inner, Seq2SeqScorer):
            with self._masks.start_pass("encoder"):
                inner.encode()
            with self._masks.start_pass("decoder"):
                scores = inner.prefill_decoder()
        else:
            inner.shares_prefix = (
                False  # a common prefix cannot be run once: every utterance has its own masks
            )
            with self._masks.start_pass("decoder"):
                scores = inner.prefill()
        if self._masks.n_sites == 0:
            raise ConfigError(
                f"{inner.name}: expected a model with dropout, found rates of 0 everywhere: "
                "train one with dropout"
            )
        return scores

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._inner.prepare_step(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Score the next token, (R, V); row r continues row ``beam_indices[r]`` and keeps its masks."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Do as :meth:`step` by several tokens (R, t) at once; return scores after the last."""
        self._masks.owners = self._masks.owners.to(beam_indices.device)[beam_indices]
        with self._masks.start_pass("decoder"):
            return self._inner.step_many(beam_indices, tokens)
