"""Constraints on rows of which each has generated a length of its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors


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
