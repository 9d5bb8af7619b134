"""Whisper's logits processors (suppressed tokens, timestamps), as in openai-whisper's ``decoding.py``.

They work on log-probabilities and renormalize at the end, because openai-whisper masks logits and takes the
softmax afterwards: its scores are those of the constrained distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import (
    FORBIDDEN,
    AtSteps,
    History,
    LogitsProcessor,
    TokenRule,
)
from components.decoding.constraints.token_constraints import Renormalize, suppress, suppress_at

MAX_INITIAL_TIMESTAMP = 50  # 1.0 s in steps of 20 ms


def list_suppressed_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return tokens that no text may hold: symbols of non-speech and control tokens."""
    special = (
        tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm,
        tokenizer.no_speech,
    )  # fmt: skip
    return sorted({*tokenizer.non_speech_tokens, *(t for t in special if t is not None)})


def whisper_logits_processors(tokenizer: Tokenizer, timestamps: bool) -> list[LogitsProcessor]:
    """Return the logits processors of one search.

    Args:
        tokenizer: the model's.
        timestamps: whether timestamps are decoded with the text.
    """
    never = list_suppressed_tokens(tokenizer) + ([tokenizer.no_timestamps] if timestamps else [])
    blank, stamp = [*tokenizer.encode(" "), tokenizer.eot], tokenizer.timestamp_begin
    of_timestamps: list[LogitsProcessor] = [
        AtSteps(partial(_begin, stamp), lambda step, _: step == 0),
        PairTimestamps(stamp, tokenizer.eot),
        PreferTimestamps(stamp),
    ]
    return [
        suppress(never),
        suppress_at(0, blank),
        *(of_timestamps if timestamps else []),
        Renormalize(),
    ]


def _begin(stamp: int, log_probs: Tensor, history: History) -> Tensor:
    """Return the first token is a timestamp of at most one second."""
    log_probs[:, :stamp] = FORBIDDEN
    log_probs[:, stamp + MAX_INITIAL_TIMESTAMP + 1 :] = FORBIDDEN
    return log_probs


@dataclass(frozen=True)
class PairTimestamps(TokenRule):
    """Timestamps come in pairs (but for the last one before the end) and do not go back.

    Attributes:
        stamp: the first timestamp; all tokens behind it are timestamps.
        eot: the first token that is neither text nor a timestamp.
    """

    stamp: int
    eot: int

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        stamp, (_, length) = self.stamp, tokens.shape
        if not length:
            return log_probs
        is_stamp = tokens >= stamp
        last = is_stamp[:, -1]
        before = is_stamp[:, -2] | (tokens[:, -2] < 0) if length > 1 else torch.ones_like(last)
        is_open = last > before
        _forbid(log_probs[:, stamp:], last & before)
        _forbid(log_probs[:, : self.eot], is_open)
        numbers = torch.arange(max(length, log_probs.shape[1]), device=tokens.device)
        latest = (is_stamp * numbers[:length]).amax(1)  # 0 where there is none: a text token then, or -1
        value = tokens.gather(1, latest[:, None])[:, 0]
        # A segment has a length: its end may repeat the start of the next one, no other stamp repeats.
        most = torch.add(value, is_open, alpha=-1).clamp(min=stamp - 1)
        log_probs[:, stamp:].masked_fill_(numbers[stamp : log_probs.shape[1]] <= most[:, None], FORBIDDEN)
        return log_probs


@dataclass(frozen=True)
class PreferTimestamps(TokenRule):
    """Where the timestamps together outweigh every text token, only timestamps are left.

    Attributes:
        stamp: the first timestamp.
    """

    reads_tokens: ClassVar[bool] = False
    stamp: int

    def apply(self, log_probs: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`TokenRule`."""
        together = log_probs[:, self.stamp :].logsumexp(-1)
        forced = together > log_probs[:, : self.stamp].amax(-1)
        _forbid(log_probs[:, : self.stamp], forced)
        return log_probs


def _forbid(log_probs: Tensor, rows: Tensor) -> None:
    """Forbid all tokens (R, v) of the rows (R,) that are True; in place."""
    if rows.device.type == "cpu":  # they are few: index them, so that no other row is read
        log_probs[rows.nonzero()[:, 0]] = FORBIDDEN
    else:  # which they are is not asked of the device
        log_probs.masked_fill_(rows[:, None], FORBIDDEN)
