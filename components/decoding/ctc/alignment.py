"""The likeliest alignment of a text to frames (Viterbi)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.decoding.ctc.forward import LogProbs, find_repeats
from components.errors import DataError


def align(log_probs: LogProbs, tokens: Sequence[int], blank: int) -> list[tuple[int, int]]:
    """Return the first and the last frame of each token on the likeliest path through ``log_probs`` (T, V).

    Raises:
        DataError: The frames are too few for the text.
    """
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    path = _find_best_path(log_probs[:, states], find_repeats(tokens))
    frames: list[list[int]] = [[] for _ in tokens]
    for frame, state in enumerate(path):
        if state % 2:
            frames[state // 2].append(frame)
    return [(of_token[0], of_token[-1]) for of_token in frames]


def _find_best_path(emissions: LogProbs, repeats: NDArray[np.bool_]) -> list[int]:
    """Return the state of every frame, of the states blank, token, blank, ... whose scores are (T, S)."""
    n_frames, n_states = emissions.shape
    can_skip = np.zeros(n_states, dtype=bool)
    can_skip[3::2] = ~repeats[1:]
    best = np.full(n_states, -np.inf)
    best[:2] = emissions[0, :2]
    moves = np.zeros((n_frames, n_states), dtype=np.int64)
    for t in range(1, n_frames):
        stay = best
        step = np.concatenate([[-np.inf], best[:-1]])
        skip = np.where(can_skip, np.concatenate([[-np.inf, -np.inf], best[:-2]])[:n_states], -np.inf)
        options = np.stack([stay, step, skip])
        moves[t] = options.argmax(0)
        best = options.max(0) + emissions[t]
    state = max(range(max(0, n_states - 2), n_states), key=lambda s: best[s])
    if not np.isfinite(best[state]):
        raise DataError(
            f"expected frames for {n_states // 2} tokens, found {n_frames}: the text does not fit the sound"
        )
    path = [state]
    for t in range(n_frames - 1, 0, -1):
        state -= int(moves[t, state])
        path.append(state)
    return path[::-1]
