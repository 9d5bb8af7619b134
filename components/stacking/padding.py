"""Batches of utterances for stacked models: transcripts and encoder states, padded, with their masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_texts(sources: Sequence[Sequence[Sequence[int]]], pad: int) -> tuple[Tensor, Tensor]:
    """Pad the transcripts of N utterances to one length.

    Args:
        sources: token ids by utterance and transcript; at most K transcripts each.
        pad: the id that fills up.

    Returns:
        Ids (N, K, S), and their mask (N, K, S), True where there is a token.
    """
    n_transcripts = max(len(transcripts) for transcripts in sources)
    length = max(len(ids) for transcripts in sources for ids in transcripts)
    padded = torch.full((len(sources), n_transcripts, length), pad)
    mask = torch.zeros(padded.shape, dtype=torch.bool)
    for n, transcripts in enumerate(sources):
        for k, ids in enumerate(transcripts):
            padded[n, k, : len(ids)], mask[n, k, : len(ids)] = torch.tensor(ids), True
    return padded, mask


def pad_states(states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad the encoder states of N utterances to one length.

    Args:
        states: one tensor (T_i, d) per utterance.

    Returns:
        States (N, T, d) in float32, zero after each end, and their mask (N, T), True where there is a state.
    """
    lengths = torch.tensor([len(sequence) for sequence in states])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    return torch.nn.utils.rnn.pad_sequence([sequence.float() for sequence in states], batch_first=True), mask
