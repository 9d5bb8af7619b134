from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.ctc.prefix_beam_search import search, search_greedily
from tests.components.decoding.ctc.brute_force import BLANK, collapse, paths, random_log_probs, texts


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 10**6))
def test_a_wide_beam_finds_the_likeliest_texts(frames: int, tokens: int, seed: int) -> None:
    log_probs = random_log_probs(frames, tokens, seed)
    expected = sorted(texts(log_probs).items(), key=lambda item: -item[1])[:5]
    output = search(log_probs, BLANK, 5000, 5, min_token_log_prob=-np.inf, tokens_per_frame=tokens)
    assert [(h.tokens, pytest.approx(h.log_prob)) for h in output] == expected


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 10**6))
def test_greedy_search_takes_the_likeliest_alignment(frames: int, tokens: int, seed: int) -> None:
    log_probs = random_log_probs(frames, tokens, seed)
    every = paths(log_probs)
    assert search_greedily(log_probs, BLANK) == collapse(max(every, key=lambda path: every[path]))
    (best,) = search(log_probs, BLANK, 1, 5)
    assert best.log_prob == pytest.approx(texts(log_probs)[best.tokens])


def plain_beam(log_probs: np.ndarray, size: int) -> set[tuple[int, ...]]:
    """The texts that a beam of probabilities, with a blank last and with a token last, ends with."""
    beam = {(): (1.0, 0.0)}
    for frame in np.exp(log_probs):
        sums: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for text, (blank, token) in beam.items():
            sums[text][0] += (blank + token) * frame[BLANK]
            for new in range(1, len(frame)):
                sums[*text, new][1] += (blank if text[-1:] == (new,) else blank + token) * frame[new]
                sums[text][1] += (token if text[-1:] == (new,) else 0) * frame[new]
        best = sorted(sums, key=lambda text: -sum(sums[text]))[:size]
        beam = {text: (sums[text][0], sums[text][1]) for text in best}
    return set(beam)


@pytest.mark.parametrize("seed", range(6))
def test_narrow_beams_give_exact_scores_of_the_texts_that_stay_in_order(seed: int) -> None:
    log_probs = random_log_probs(7, 4, seed)
    every = texts(log_probs)
    output = search(log_probs, BLANK, 3, 3, min_token_log_prob=-np.inf, tokens_per_frame=4)
    assert {h.tokens for h in output} == plain_beam(log_probs, 3)
    assert [h.log_prob for h in output] == pytest.approx([every[h.tokens] for h in output])
    assert output == sorted(output, key=lambda h: -h.log_prob)


def test_one_text_can_be_likelier_than_the_likeliest_alignment() -> None:
    """Graves's example of why one sums: two frames, blank 0.6, a token 0.4."""
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert search_greedily(log_probs, BLANK) == ()
    best = search(log_probs, BLANK, 2, 1)[0]
    assert (best.tokens, best.log_prob) == ((1,), pytest.approx(np.log(0.64)))


@pytest.mark.parametrize("beam_size", [1, 4])
def test_no_frames_are_the_empty_text(beam_size: int) -> None:
    (only,) = search(np.zeros((0, 3)), BLANK, beam_size, 3)
    assert (only.tokens, only.log_prob) == ((), 0.0)
