"""Whisper's logits processors (suppressed tokens, timestamps), as in openai-whisper's ``decoding.py``.

They work on log-probabilities and renormalize at the end, because openai-whisper masks logits and takes the
softmax afterwards: its scores are those of the constrained distribution.
"""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.tokenizer import Tokenizer

from components.decoding.logits_processors import History, LogitsProcessor, on_each_device

MAX_INITIAL_TIMESTAMP = 50  # 1.0 s in steps of 20 ms


def list_suppressed_tokens(tokenizer: Tokenizer) -> list[int]:
    """Tokens that no text may hold: symbols of non-speech and control tokens."""
    special = (
        tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm,
        tokenizer.no_speech,
    )  # fmt: skip
    return sorted({*tokenizer.non_speech_tokens, *(t for t in special if t is not None)})


def whisper_logits_processors(tokenizer: Tokenizer, n_vocab: int, timestamps: bool) -> list[LogitsProcessor]:
    """The logits processors of one search.

    Args:
        tokenizer: The model's.
        n_vocab: Width of the model's output.
        timestamps: Whether timestamps are decoded with the text.
    """
    blank = [*tokenizer.encode(" "), tokenizer.eot]
    never = list_suppressed_tokens(tokenizer) + ([tokenizer.no_timestamps] if timestamps else [])
    mask = torch.zeros(n_vocab)
    mask[never] = -torch.inf
    first = mask.clone()
    first[blank] = -torch.inf
    stamp = tokenizer.timestamp_begin
    if timestamps:  # the first token is a timestamp of at most one second
        first[:stamp] = -torch.inf
        first[stamp + MAX_INITIAL_TIMESTAMP + 1 :] = -torch.inf

    first_mask, later_mask = on_each_device(first), on_each_device(mask)
    numbers = on_each_device(torch.arange(n_vocab))

    def process(log_probs: Tensor, history: History) -> Tensor:
        log_probs = log_probs + (first_mask if history.step == 0 else later_mask)(log_probs.device)
        if timestamps:
            if history.step:
                _pair_timestamps(log_probs, history.tokens, stamp, tokenizer.eot, numbers(log_probs.device))
            _prefer_timestamps(log_probs, stamp)
        return log_probs - log_probs.logsumexp(-1, keepdim=True)

    return [process]


def _pair_timestamps(log_probs: Tensor, tokens: Tensor, stamp: int, eot: int, numbers: Tensor) -> None:
    """Timestamps come in pairs (but for the last one before the end) and do not go back; in place.

    Args:
        log_probs: (R, V).
        tokens: Of each row so far (R, t), t at least 1.
        stamp: The first timestamp; all tokens behind it are timestamps.
        eot: The first token that is neither text nor a timestamp.
        numbers: 0, 1, 2 and so on (V,).
    """
    is_stamp = tokens >= stamp
    last = is_stamp[:, -1]
    before = is_stamp[:, -2] if tokens.shape[1] > 1 else torch.ones_like(last)
    is_open = last > before
    _forbid(log_probs[:, stamp:], last & before)
    _forbid(log_probs[:, :eot], is_open)
    latest = (is_stamp * numbers[: tokens.shape[1]]).amax(1)  # 0 where there is none: a text token then
    value = tokens.gather(1, latest[:, None])[:, 0]
    # A segment has a length: its end may repeat the start of the next one, no other stamp repeats.
    most = torch.add(value, is_open, alpha=-1).clamp(min=stamp - 1)
    log_probs[:, stamp:].masked_fill_(numbers[stamp:] <= most[:, None], -torch.inf)


def _prefer_timestamps(log_probs: Tensor, stamp: int) -> None:
    """Where the timestamps together outweigh every text token, only timestamps are left; in place."""
    together = log_probs[:, stamp:].logsumexp(-1)
    forced = together > log_probs[:, :stamp].amax(-1)
    _forbid(log_probs[:, :stamp], forced)


def _forbid(log_probs: Tensor, rows: Tensor) -> None:
    """Forbid all tokens (R, v) of the rows (R,) that are True; in place."""
    if rows.device.type == "cpu":  # they are few: index them, so that no other row is read
        log_probs[rows.nonzero()[:, 0]] = -torch.inf
    else:  # which they are is not asked of the device
        log_probs.masked_fill_(rows[:, None], -torch.inf)
