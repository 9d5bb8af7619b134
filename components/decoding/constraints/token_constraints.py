"""The logits processors that transformers' ``generate`` has: forced, forbidden and biased tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from components.decoding.constraints.logits_processors import (
    FORBIDDEN,
    AtSteps,
    History,
    LogitsProcessor,
    TokenRule,
    on_each_device,
)


def _columns(tokens: Sequence[int]) -> Callable[[torch.device], Tensor]:
    return on_each_device(torch.tensor(tokens, dtype=torch.long))


@dataclass(frozen=True)
class Suppress(TokenRule):
    """Forbids tokens.

    Attributes:
        tokens: the tokens, in order.
    """

    reads_tokens: ClassVar[bool] = False
    tokens: tuple[int, ...]

    @cached_property
    def _forbidden(self) -> Callable[[torch.device], Tensor]:
        return _columns(self.tokens)

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        return log_probs.index_fill_(1, self._forbidden(log_probs.device), FORBIDDEN)


def suppress(tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens (transformers' ``suppress_tokens``)."""
    return Suppress(tuple(sorted(set(tokens))))


def suppress_at(step: int, tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens at one step (transformers' ``begin_suppress_tokens``)."""
    return AtSteps(suppress(tokens), lambda t, _: t == step)


def suppress_until(step: int, tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens before a step: a minimum length, where the tokens are eos."""
    return AtSteps(suppress(tokens), lambda t, _: t < step)


def suppress_until_each(steps: Sequence[int], tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens before a step that differs by utterance."""
    columns, until, last = _columns(sorted(set(tokens))), on_each_device(torch.tensor(steps)), max(steps)

    def process(log_probs: Tensor, history: History) -> Tensor:
        forbidden, early = columns(log_probs.device), until(log_probs.device)[history.utterances]
        values = log_probs[:, forbidden].masked_fill((history.step < early)[:, None], FORBIDDEN)
        return log_probs.index_copy_(1, forbidden, values)

    return AtSteps(process, lambda t, _: t < last)


@dataclass(frozen=True)
class Renormalize(TokenRule):
    """Makes the probabilities of the allowed tokens sum to 1 (transformers' ``renormalize_logits``)."""

    reads_tokens: ClassVar[bool] = False

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        return log_probs.log_softmax(dim=-1)


def _allow_only(tokens: Sequence[int]) -> LogitsProcessor:
    columns = _columns(tokens)

    def process(log_probs: Tensor, history: History) -> Tensor:
        return log_probs.fill_(FORBIDDEN).index_fill_(1, columns(log_probs.device), 0.0)

    return process


def force_at(step: int, token: int) -> LogitsProcessor:
    """Force this token at one step, with log-probability 0 (transformers' ``forced_bos_token_id``)."""
    return AtSteps(_allow_only([token]), lambda t, _: t == step)


def force_last(tokens: Sequence[int]) -> LogitsProcessor:
    """Force one of these tokens at the length limit, log-probability 0 (as ``forced_eos_token_id``)."""
    return AtSteps(_allow_only(tokens), lambda t, limit: t == limit - 1)


@dataclass(frozen=True)
class BiasSequences(TokenRule):
    """Adds a bias to the token that would complete a sequence (transformers' ``sequence_bias``).

    Attributes:
        biases: sequences and biases.
        start: the decoder's first tokens: sequences may begin within them.
    """

    biases: tuple[tuple[tuple[int, ...], float], ...]
    start: tuple[int, ...]

    @cached_property
    def _first(self) -> Callable[[torch.device], Tensor]:
        return _columns(self.start)

    @cached_property
    def _prefixes(self) -> list[Callable[[torch.device], Tensor]]:
        return [_columns(sequence[:-1]) for sequence, _ in self.biases]

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        tokens = _prepend(self._first(tokens.device), tokens)
        for prefix, (sequence, bias) in zip(self._prefixes, self.biases, strict=True):
            at = tokens.shape[1] - len(sequence) + 1
            if at >= 0:
                matches = (tokens[:, at:] == prefix(log_probs.device)).all(dim=1)
                log_probs[:, sequence[-1]] += log_probs.new_zeros(len(tokens)).masked_fill_(matches, bias)
        return log_probs


def bias_sequences(
    biases: Sequence[tuple[Sequence[int], float]], start: Sequence[int] = ()
) -> LogitsProcessor:
    """See :class:`BiasSequences`."""
    return BiasSequences(tuple((tuple(sequence), bias) for sequence, bias in biases), tuple(start))


def forbid_sequences(sequences: Sequence[Sequence[int]], start: Sequence[int] = ()) -> LogitsProcessor:
    """Forbid the last token of these sequences after the others (``bad_words_ids`` longer than one)."""
    return bias_sequences([(sequence, FORBIDDEN) for sequence in sequences], start)


@dataclass(frozen=True)
class NoRepeatNgram(TokenRule):
    """Forbids a token that would repeat an n-gram of a row (transformers' ``no_repeat_ngram_size``).

    Attributes:
        size: n.
        start: the decoder's first tokens: n-grams may begin within them.
    """

    size: int
    start: tuple[int, ...]

    @cached_property
    def _first(self) -> Callable[[torch.device], Tensor]:
        return _columns(self.start)

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        tokens = _prepend(self._first(tokens.device), tokens)
        if tokens.shape[1] < self.size:
            return log_probs
        windows = tokens.unfold(1, self.size, 1)
        tail = tokens[:, tokens.shape[1] - self.size + 1 :].unsqueeze(1)
        repeats = (windows[:, :, :-1] == tail).all(dim=2) & (windows[:, :, 0] >= 0)
        bounds = torch.full_like(repeats, torch.inf, dtype=log_probs.dtype).masked_fill_(repeats, FORBIDDEN)
        return log_probs.scatter_reduce_(1, windows[:, :, -1].clamp(min=0), bounds, "amin")


def no_repeat_ngram(size: int, start: Sequence[int] = ()) -> LogitsProcessor:
    """See :class:`NoRepeatNgram`."""
    return NoRepeatNgram(size, tuple(start))


def _prepend(start: Tensor, tokens: Tensor) -> Tensor:
    """Put the start tokens (S,) before the first one of each row (R, T): (R, S + T)."""
    size = len(start)
    first = (tokens < 0).sum(1, keepdim=True)
    places = first + torch.arange(size, device=tokens.device)
    return pad(tokens, (size, 0), value=-1).scatter_(1, places, start.expand(len(tokens), -1))
