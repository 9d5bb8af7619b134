"""The present windows of streams -> encoder outputs; on a card those of the next batch meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from components.recognition.whisper.backend import EncodedWindows, WhisperBackend
from components.recognition.whisper.windows.decoding_state import WindowStream, compute_mels


class _Ahead(NamedTuple):
    """Windows, each a stream and a frame of it, that are encoded ahead; ``done``: the states are there."""

    windows: list[tuple[WindowStream, int]]
    features: EncodedWindows
    done: torch.cuda.Event | None

    def holds(self, streams: Sequence[WindowStream]) -> bool:
        """Return whether these are the present windows of ``streams``."""
        return len(self.windows) == len(streams) and all(
            stream is other and seek == other.seek
            for (stream, seek), other in zip(self.windows, streams, strict=True)
        )


class WindowEncoder:
    """Encodes windows where the backend wants their features.

    On a card, features of spans that fit a window are computed there, together, and windows that are encoded
    ahead go through a stream of their own. Which windows are in a batch does not depend on it, so that the
    states are the same.

    Args:
        backend: the model.
    """

    def __init__(self, backend: WhisperBackend) -> None:
        self._backend, self._device = backend, backend.device
        on_card = self._device.type == "cuda"
        self._side_stream = torch.cuda.Stream(self._device) if on_card else None  # type: ignore[no-untyped-call]
        self._ahead: _Ahead | None = None

    def prepare(self, streams: Sequence[WindowStream]) -> None:
        """Compute the features that are computed on the CPU, of new streams; may be called in a thread."""
        for stream in streams:
            if self._device.type == "cpu" or not stream.fits_window:
                stream.mel(self._backend.dims.n_mels)

    def encode(self, streams: Sequence[WindowStream]) -> EncodedWindows:
        """Return the encoder's output of the present window of each of ``streams``."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.done is not None:
            torch.cuda.current_stream(self._device).wait_event(ahead.done)
        if ahead is not None and ahead.holds(streams):
            return ahead.features
        ahead = None  # its memory is for the others
        return self._backend.encode(self._stack_mels(streams))

    def encode_ahead(self, streams: Sequence[WindowStream]) -> None:
        """Begin to encode what the next call of :meth:`encode` will probably ask for."""
        windows, side = [(stream, stream.seek) for stream in streams], self._side_stream
        if side is None:
            self._ahead = _Ahead(windows, self._backend.encode(self._stack_mels(streams)), None)
            return
        # Memory that it is given may have been freed while kernels of this stream still read it.
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            features = self._backend.encode(self._stack_mels(streams))
        self._ahead = _Ahead(windows, features, side.record_event())

    def _stack_mels(self, streams: Sequence[WindowStream]) -> Tensor:
        """Return the log-mel (N, n_mels, 3000) of the present windows."""
        n_mels = self._backend.dims.n_mels
        if self._device.type != "cpu":
            compute_mels([stream for stream in streams if stream.fits_window], n_mels, self._device)
        return torch.stack([stream.mel(n_mels).to(self._device) for stream in streams])
