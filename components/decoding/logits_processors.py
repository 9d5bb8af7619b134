"""Constraints on the next token, as small callables applied to the combined log-probabilities.

A logits processor gets log-probabilities (R, V), which it may change in place, and the :class:`History` of
the R rows, and returns them. Forbidden tokens become -inf, and what is left is not renormalized unless
:func:`renormalize` is among the processors, as in transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

FORBIDDEN = -torch.inf


class History:
    """What the R rows have generated so far.

    Attributes:
        utterances: Index of the utterance that each row belongs to (R,).
        max_new_tokens: The length limit, eos included.
        step: Number t of tokens generated so far.
    """

    def __init__(
        self, tokens: Tensor | Callable[[], Tensor], utterances: Tensor, max_new_tokens: int, step: int = 0
    ) -> None:
        """Describe the rows.

        Args:
            tokens: Generated tokens (R, t); or a function that gives them when they are first asked for:
                where no processor does, nobody has to put them together.
            utterances: See the class.
            max_new_tokens: See the class.
            step: t, where ``tokens`` is a function.
        """
        self._tokens, self.utterances, self.max_new_tokens = tokens, utterances, max_new_tokens
        self.step = int(tokens.shape[1]) if isinstance(tokens, Tensor) else step

    @property
    def tokens(self) -> Tensor:
        """Generated tokens (R, t)."""
        if not isinstance(self._tokens, Tensor):
            self._tokens = self._tokens()
        return self._tokens

    @property
    def is_last(self) -> bool:
        """Whether the next token is the last one allowed."""
        return self.step == self.max_new_tokens - 1


LogitsProcessor = Callable[[Tensor, History], Tensor]


def apply_processors(
    logits_processors: Sequence[LogitsProcessor], log_probs: Tensor, history: History
) -> Tensor:
    """Apply the processors in order."""
    for process in logits_processors:
        log_probs = process(log_probs, history)
    return log_probs


def apply_to_ragged(
    logits_processors: Sequence[LogitsProcessor], log_probs: Tensor, history: History, lengths: Tensor
) -> Tensor:
    """Apply the processors to rows of which row r has generated ``lengths[r]`` tokens (R,).

    The history's ``tokens`` (R, T) are filled up with anything.
    """
    for length in sorted(set(lengths.tolist())) if logits_processors else ():
        rows = (lengths == length).nonzero()[:, 0]
        part = History(history.tokens[rows, :length], history.utterances[rows], history.max_new_tokens)
        log_probs[rows] = apply_processors(logits_processors, log_probs[rows], part)
    return log_probs


def on_each_device(tensor: Tensor) -> Callable[[torch.device], Tensor]:
    """The tensor on the device asked for; it is copied there once."""
    return cache(tensor.to)


def _columns(tokens: Sequence[int]) -> Callable[[torch.device], Tensor]:
    return on_each_device(torch.tensor(tokens, dtype=torch.long))


@dataclass(frozen=True)
class Suppress:
    """Forbids tokens at every step, whatever the rows have generated.

    Attributes:
        tokens: The tokens, in order.
    """

    tokens: tuple[int, ...]

    @cached_property
    def _columns(self) -> Callable[[torch.device], Tensor]:
        return _columns(self.tokens)

    def apply(self, log_probs: Tensor) -> Tensor:
        """Forbid the tokens in ``log_probs`` (R, V), in place."""
        return log_probs.index_fill_(1, self._columns(log_probs.device), FORBIDDEN)

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """See :data:`LogitsProcessor`."""
        return self.apply(log_probs)


@dataclass(frozen=True)
class AtSteps:
    """A processor that acts at some steps only.

    Attributes:
        process: What it does there.
        acts: Whether it does anything for this history.
    """

    process: LogitsProcessor
    acts: Callable[[History], bool]

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """See :data:`LogitsProcessor`."""
        return self.process(log_probs, history) if self.acts(history) else log_probs


def acts(process: LogitsProcessor, history: History) -> bool:
    """Whether the processor may change anything for this history."""
    return not isinstance(process, AtSteps) or process.acts(history)


def split_standing(
    logits_processors: Sequence[LogitsProcessor],
) -> tuple[list[Suppress], list[LogitsProcessor]]:
    """Those at the front that are the same for every step and row, and the others."""
    standing = list[Suppress]()
    for process in logits_processors:
        if not isinstance(process, Suppress):
            break
        standing.append(process)
    return standing, list(logits_processors[len(standing) :])


def suppress(tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens (transformers' ``suppress_tokens``)."""
    return Suppress(tuple(sorted(set(tokens))))


def suppress_at(step: int, tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens at one step (transformers' ``begin_suppress_tokens``)."""
    return AtSteps(suppress(tokens), lambda history: history.step == step)


def suppress_until(step: int, tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens before a step: a minimum length, where the tokens are eos."""
    return AtSteps(suppress(tokens), lambda history: history.step < step)


def suppress_until_each(steps: Sequence[int], tokens: Sequence[int]) -> LogitsProcessor:
    """Forbid these tokens before a step that differs by utterance."""
    columns, until, last = _columns(sorted(set(tokens))), on_each_device(torch.tensor(steps)), max(steps)

    def process(log_probs: Tensor, history: History) -> Tensor:
        forbidden, early = columns(log_probs.device), until(log_probs.device)[history.utterances]
        values = log_probs[:, forbidden].masked_fill((history.step < early)[:, None], FORBIDDEN)
        return log_probs.index_copy_(1, forbidden, values)

    return AtSteps(process, lambda history: history.step < last)


def renormalize(log_probs: Tensor, history: History) -> Tensor:
    """Make the probabilities of the allowed tokens sum to 1 (transformers' ``renormalize_logits``)."""
    return log_probs.log_softmax(dim=-1)


def _allow_only(tokens: Sequence[int]) -> LogitsProcessor:
    columns = _columns(tokens)

    def process(log_probs: Tensor, history: History) -> Tensor:
        return log_probs.fill_(FORBIDDEN).index_fill_(1, columns(log_probs.device), 0.0)

    return process


def force_at(step: int, token: int) -> LogitsProcessor:
    """Force this token at one step, with log-probability 0 (transformers' ``forced_bos_token_id``)."""
    return AtSteps(_allow_only([token]), lambda history: history.step == step)


def force_last(tokens: Sequence[int]) -> LogitsProcessor:
    """Force one of these tokens at the length limit, log-probability 0 (as ``forced_eos_token_id``)."""
    return AtSteps(_allow_only(tokens), lambda history: history.is_last)


def _prepend_start(start: Callable[[torch.device], Tensor], history: History) -> Tensor:
    """The tokens of each row behind the decoder's start tokens."""
    first = start(history.tokens.device)
    return torch.cat([first.expand(len(history.tokens), -1), history.tokens], dim=1)


def bias_sequences(
    biases: Sequence[tuple[Sequence[int], float]], start: Sequence[int] = ()
) -> LogitsProcessor:
    """Add a bias to the token that would complete a sequence (transformers' ``sequence_bias``).

    Sequences may begin within ``start``, the decoder's first tokens.
    """
    first = _columns(start)
    rows = [(_columns(prefix), len(prefix), last, bias) for (*prefix, last), bias in biases]

    def process(log_probs: Tensor, history: History) -> Tensor:
        tokens = _prepend_start(first, history)
        for prefix, length, last, bias in rows:
            if length > tokens.shape[1]:
                continue
            matches = (tokens[:, tokens.shape[1] - length :] == prefix(log_probs.device)).all(dim=1)
            log_probs[:, last] += torch.where(matches, bias, 0.0)
        return log_probs

    return process


def forbid_sequences(sequences: Sequence[Sequence[int]], start: Sequence[int] = ()) -> LogitsProcessor:
    """Forbid the last token of these sequences after the others (``bad_words_ids`` longer than one)."""
    return bias_sequences([(sequence, FORBIDDEN) for sequence in sequences], start)


def no_repeat_ngram(size: int, start: Sequence[int] = ()) -> LogitsProcessor:
    """Forbid a token that would repeat an n-gram of a row (transformers' ``no_repeat_ngram_size``).

    N-grams may begin within ``start``, the decoder's first tokens.
    """
    first = _columns(start)

    def process(log_probs: Tensor, history: History) -> Tensor:
        tokens = _prepend_start(first, history)
        if tokens.shape[1] < size:
            return log_probs
        windows = tokens.unfold(1, size, 1)
        tail = tokens[:, tokens.shape[1] - size + 1 :].unsqueeze(1)
        repeats = (windows[:, :, :-1] == tail).all(dim=2)
        bounds = torch.full_like(repeats, torch.inf, dtype=log_probs.dtype).masked_fill_(repeats, FORBIDDEN)
        return log_probs.scatter_reduce_(1, windows[:, :, -1], bounds, "amin")

    return process
