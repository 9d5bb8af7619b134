from __future__ import annotations

import math
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.ctc.alignment import align
from components.errors import DataError
from tests.components.decoding.ctc.brute_force import BLANK, collapse, paths, random_log_probs, texts


def spans(path: tuple[int, ...]) -> list[tuple[int, int]]:
    """The first and the last frame of every token of an alignment."""
    runs = [(token, [t for t, _ in run]) for token, run in groupby(enumerate(path), key=lambda item: item[1])]
    return [(frames[0], frames[-1]) for token, frames in runs if token != BLANK]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 2), max_size=4).map(tuple), st.integers(1, 6), st.integers(0, 10**6))
def test_it_is_the_likeliest_of_all_alignments(text: tuple[int, ...], frames: int, seed: int) -> None:
    log_probs = random_log_probs(frames, 3, seed)
    if text not in texts(log_probs):
        with pytest.raises(DataError, match=f"expected frames for {len(text)} tokens, found {frames}"):
            align(log_probs, text, BLANK)
        return
    fitting = {path: value for path, value in paths(log_probs).items() if collapse(path) == text}
    best = max(fitting, key=lambda path: fitting[path])
    assert align(log_probs, text, BLANK) == spans(best)
    assert math.isfinite(fitting[best])
