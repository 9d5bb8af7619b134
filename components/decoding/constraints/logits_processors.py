"""Constraints on the next token, as small callables applied to the combined log-probabilities.

A logits processor gets log-probabilities (R, V), which it may change in place, and the :class:`History` of
the R rows, and returns them. Forbidden tokens become -inf, and what is left is not renormalized unless
:func:`renormalize` is among the processors, as in transformers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

FORBIDDEN = -torch.inf


class History:
    """What the R rows have generated so far.

    Attributes:
        utterances: index of the utterance that each row belongs to (R,).
        max_new_tokens: the length limit, eos included.
        step: number t of tokens generated so far.
    """

    def __init__(
        self, tokens: Tensor | Callable[[], Tensor], utterances: Tensor, max_new_tokens: int, step: int = 0
    ) -> None:
        """Describe the rows.

        Args:
            tokens: generated tokens (R, t); or a function that gives them when they are first asked for:
                where no processor does, nobody has to put them together.
            utterances: see the class.
            max_new_tokens: see the class.
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


LogitsProcessor = Callable[[Tensor, History], Tensor]


def apply_processors(
    logits_processors: Sequence[LogitsProcessor], log_probs: Tensor, history: History
) -> Tensor:
    """Apply the processors in order."""
    for process in logits_processors:
        log_probs = process(log_probs, history)
    return log_probs


def on_each_device(tensor: Tensor) -> Callable[[torch.device], Tensor]:
    """Return the tensor on the device asked for; it is copied there once."""
    return cache(tensor.to)


class TokenRule(ABC):
    """A logits processor that is a function of tensors, so that a step of fixed shapes may hold it.

    Equal ones do the same. Off the CPU it asks the device for nothing.

    Attributes:
        reads_tokens: whether it looks at what the rows have generated.
    """

    reads_tokens: ClassVar[bool] = True

    @abstractmethod
    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """Change log-probabilities (R, V), in place or not.

        Args:
            log_probs: what is changed.
            tokens: what the rows have generated (R, T), the latest last; where they have generated fewer,
                -1 stands before the first.
        """

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """See :data:`LogitsProcessor`."""
        return self.apply(log_probs, history.tokens if self.reads_tokens else NO_TOKENS)


NO_TOKENS = torch.zeros((0, 0), dtype=torch.long)
"""For rules that read none."""


@dataclass(frozen=True)
class AtSteps:
    """A processor that acts at some steps only.

    Attributes:
        process: what it does there.
        acts: whether it does anything at a step: the number of tokens before it, and the length limit.
    """

    process: LogitsProcessor
    acts: Callable[[int, int], bool]

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """See :data:`LogitsProcessor`."""
        acts = self.acts(history.step, history.max_new_tokens)
        return self.process(log_probs, history) if acts else log_probs
