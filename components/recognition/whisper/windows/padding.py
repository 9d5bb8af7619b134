"""Summarized padding: a window's padding in fewer encoder positions.

Whisper reads 30 s at a time: a recording of five seconds fills 250 of the encoder's 1,500 positions, and the
padding costs five times as much as the speech. Here every ``stride``-th position of the padding is computed
and counts for those around it: the logarithm of their number is added to its attention scores
("proportional attention": Bolya et al., 2023, arXiv:2210.09461). The states of the speech stay within
one to two percent of the whole window's, for three reasons:

- The few padded positions that attention looks at from everywhere (sinks: Xiao et al., 2024,
  arXiv:2309.17453; registers: Darcet et al., 2024, arXiv:2309.16588) are always computed and count once.
  Which they are is the model's: one window of noise shows them.
- To the first block padding looks the same in every window, so there all its keys and values are known.
- The sinusoids of the positions turn by at most one radian a position. Every sixth still tells the fastest
  of them from one that stands still; with rarer ones the error jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from components.compute.machine import describe_numerics
from components.files.canonical_json import digest_of
from components.files.digests import cache_folder
from components.files.files import write_atomically
from components.recognition.whisper.windows.features import compute_log_mel, cut_window

MARGIN = 8
"""Positions of padding after the sound (0.16 s) that are computed one by one."""
SINKS = 64
"""Positions further on that are computed because attention looks at them."""
NOISE_SECONDS = 5
"""Of the noise that shows which positions those are."""


@dataclass(frozen=True)
class Padding:
    """What a model's encoder makes of an empty window, and where in the padding attention looks.

    Attributes:
        states: inputs of the first block, (T, d).
        keys: of the first block, (heads, T, d / heads).
        values: of the first block, (heads, T, d / heads).
        attention: that each position receives, summed over the blocks, (T,).
    """

    states: Tensor
    keys: Tensor
    values: Tensor
    attention: Tensor

    def summarize(self, n_audio: list[int], stride: int) -> tuple[Tensor, Tensor]:
        """Return which positions to compute of N windows, and how many each stands for.

        Args:
            n_audio: how many positions of each window are not padding.
            stride: of the other positions every n-th is computed.

        Returns:
            Positions (N, L) in order, and the logarithms (N, L) of how many each stands for. Where windows
            differ in length, the first position fills up and stands for none (-inf).
        """
        selections = [self._select_positions(n, stride) for n in n_audio]
        positions = pad_sequence([where for where, _ in selections], batch_first=True)
        counts = pad_sequence([count for _, count in selections], batch_first=True)
        return positions.to(self.states.device), counts.log().to(self.states)

    def _select_positions(self, n_audio: int, stride: int) -> tuple[Tensor, Tensor]:
        total = len(self.states)
        dense = min(total, n_audio + MARGIN)
        counts = torch.zeros(total)
        counts[:dense] = 1
        counts[dense + self.attention[dense:].cpu().topk(min(SINKS, total - dense)).indices] = 1
        rest = (counts == 0).nonzero()[:, 0]
        representatives = rest[min(stride // 2, max(len(rest) - 1, 0)) :: stride]
        counts[representatives] = len(rest) / max(len(representatives), 1)
        positions = counts.nonzero()[:, 0]
        return positions, counts[positions]


def count_audio_positions(mel: Tensor) -> list[int]:
    """Return how many encoder positions of each window see anything but padding.

    Position p sees the frames 2 p - 2 to 2 p + 2 (two convolutions of three, the second with stride 2).

    Args:
        mel: log-mel (N, mels, frames), zeros where padded.
    """
    return ((find_last_frames(mel) + 1) // 2 + 1).clamp(max=mel.shape[2] // 2).tolist()


def find_last_frames(mel: Tensor) -> Tensor:
    """Log-mel (N, mels, frames) -> how many frames (N,) there are before the zeros at the end."""
    return (mel.any(1) * torch.arange(1, mel.shape[2] + 1, device=mel.device)).amax(1)


def make_noise(n_mels: int) -> Tensor:
    """Make log-mel (1, n_mels, 3000) of 5 s of white noise, louder and softer four times a second."""
    time = np.arange(NOISE_SECONDS * 16000) / 16000
    loudness = 0.055 + 0.045 * np.sin(2 * np.pi * 4 * time)
    samples = loudness * np.random.default_rng(0).standard_normal(len(time))
    return cut_window(compute_log_mel(samples.astype(np.float32), n_mels), 0)[None]


VERSION = 1
"""Of what is remembered: raised when ``padding`` finds it otherwise."""


def recall_attention(weights: str, arithmetic: str, compute: Callable[[], Tensor]) -> Tensor:
    """Return the attention (T,) that positions receive, with the bits that ``compute`` has on this machine.

    That takes the time of two windows: half of what a process needs that recognizes one short recording.

    Args:
        weights: the digest of the model; empty: nothing is remembered.
        arithmetic: in which it computes.
        compute: what finds it.
    """
    if not weights:
        return compute()
    facts = {"threads": str(torch.get_num_threads()), **describe_numerics(threads=False)}
    name = digest_of({"version": VERSION, "weights": weights, "arithmetic": arithmetic, **facts})
    path = cache_folder() / "padding" / f"{name}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):
        return load(path.read_bytes())["attention"]
    attention = compute()
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"attention": attention}))
    return attention
