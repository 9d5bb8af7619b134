"""Joint CTC/attention search against brute force: every text scored by both models in full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.token_constraints import force_last
from components.decoding.ctc.forward import LogProbs, compute_forward, score_prefixes
from components.decoding.ctc.joint_scoring import CtcFrames, JointCtc
from components.decoding.searches.search import search
from tests.components.decoding.test_guidance import require_brute_force, value
from tests.components.decoding.test_search import EOS, LENGTH, Table

BLANK = 0
SPELLING = {1: (1,), 2: (2, 1), 3: (), 4: (2, 2), 5: (1, 3)}
"""Of each token the characters that it says: one says nothing, one repeats a character."""


def spell(tokens: Sequence[int]) -> list[int]:
    return [character for token in tokens if token != EOS for character in SPELLING[token]]


def frames(n: int, seed: int) -> LogProbs:
    scores = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return np.asarray(scores.log_softmax(-1))


@given(text=st.lists(st.integers(1, 3), max_size=5), seed=st.integers(0, 99), n=st.integers(5, 9))
@settings(max_examples=60)
def test_prefixes_are_those_of_the_forward_recursion(text: list[int], seed: int, n: int) -> None:
    """Beside a longer utterance, whose frames pad this one's."""
    log_probs = frames(n, seed)
    batch = CtcFrames([frames(12, seed + 1), log_probs], BLANK)
    prefix, scores = batch.start(1), [0.0]
    for character in text:
        (prefix,) = batch.extend([prefix], [character], [1])
        scores.append(prefix.score)
    forward = compute_forward(log_probs, text, BLANK)
    expected = score_prefixes(log_probs, text, forward)
    assert scores == pytest.approx(np.maximum(expected, -1e5).tolist(), abs=1e-6)
    assert prefix.log_prob == pytest.approx(max(forward.log_prob, -1e5), abs=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_wide_beam_is_brute_force(weight: float) -> None:
    table = Table(2, 6, seed=4)
    sounds = [frames(6, 1), frames(9, 2)]
    guidance = Guidance([JointCtc(CtcFrames(sounds, BLANK), spell, weight, [EOS])])
    config = SearchConfig(beam_size=180, n_best=6, max_new_tokens=LENGTH, early_stopping="never")
    results = search([table], config, logits_processors=[force_last([EOS])], guidance=guidance)

    def joint(row: int, text: tuple[int, ...]) -> float:
        ctc = compute_forward(sounds[row], spell(text), BLANK).log_prob
        return (1 - weight) * value(table, row, text) + weight * max(ctc, -1e5)

    assert [len(candidates) for candidates in results] == [6, 6]
    require_brute_force(results, table, joint)


def test_a_batch_is_its_utterances_alone() -> None:
    table = Table(3, 6, seed=5)
    sounds = [frames(7, 1), frames(12, 2), frames(9, 3)]
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=LENGTH)

    def decode(rows: Sequence[int], table: Table) -> list[list[object]]:
        joint = JointCtc(CtcFrames([sounds[r] for r in rows], BLANK), spell, 0.4, [EOS], tokens_per_row=4)
        return [list(each) for each in search([table], config, guidance=Guidance([joint]))]

    together = decode(range(3), table)
    assert together == [decode([row], table.only(row))[0] for row in range(3)]
