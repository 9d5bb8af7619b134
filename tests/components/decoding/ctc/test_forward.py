from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from components.decoding.ctc.forward import compute_forward, score_prefixes, score_tokens
from tests.components.decoding.ctc.brute_force import BLANK, prefix_log_prob, random_log_probs, texts

TEXTS = st.lists(st.integers(1, 2), max_size=5).map(tuple)


@settings(max_examples=60)
@given(TEXTS, st.integers(1, 6), st.integers(0, 10**6))
def test_texts_and_prefixes_are_as_likely_as_their_alignments_together(
    text: tuple[int, ...], frames: int, seed: int
) -> None:
    log_probs = random_log_probs(frames, 3, seed)
    forward = compute_forward(log_probs, text, BLANK)
    assert forward.log_prob == pytest.approx(texts(log_probs).get(text, -math.inf))
    expected = [prefix_log_prob(log_probs, text[:n]) for n in range(len(text) + 1)]
    assert score_prefixes(log_probs, text, forward) == pytest.approx(expected, abs=1e-9)
    tokens = score_tokens(log_probs, text, BLANK)
    assert tokens.sum() == pytest.approx(forward.log_prob)
    assert (tokens <= 0).all()


def test_a_text_is_as_likely_as_torchs_loss_says() -> None:
    log_probs = random_log_probs(80, 12, seed=4)
    text = [5, 5, 3, 11, 1, 1, 1, 7]
    loss = functional.ctc_loss(
        torch.tensor(log_probs)[:, None],
        torch.tensor([text]),
        torch.tensor([80]),
        torch.tensor([len(text)]),
        blank=BLANK,
        reduction="sum",
    )
    assert compute_forward(log_probs, text, BLANK).log_prob == pytest.approx(-loss.item())


def test_without_frames_there_is_the_empty_text_only() -> None:
    nothing = np.zeros((0, 3))
    assert compute_forward(nothing, (), BLANK).log_prob == 0.0
    assert compute_forward(nothing, (1,), BLANK).log_prob == -math.inf
