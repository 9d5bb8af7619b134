"""Batches of transcripts and encoder states: padded, with masks that say what is real."""

from __future__ import annotations

import torch

from components.stacking.padding import pad_states, pad_texts


def test_transcripts_are_padded_in_length_and_number() -> None:
    ids, mask = pad_texts([[[5, 6, 0]], [[7, 0], [8, 9, 1, 0]]], pad=99)
    assert ids.tolist() == [[[5, 6, 0, 99], [99] * 4], [[7, 0, 99, 99], [8, 9, 1, 0]]]
    assert torch.equal(mask, ids != 99)


def test_states_are_padded_with_zeros() -> None:
    states, mask = pad_states([torch.ones(1, 2).half(), torch.ones(3, 2).half()])
    assert states.dtype == torch.float32
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert torch.equal(states, mask[..., None].expand(-1, -1, 2).float())
