"""Decoding a stretch of an audio file to 16 kHz mono float32, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.audio.container import (
    LIMITS,
    Limits,
    audio_error,
    check_length,
    look_up_sha256,
    missing_samples_allowed,
    open_container,
)
from components.audio.local_files import prefer_copy
from components.files.locations.location import FilePath
from components.files.locations.opening import identity_of
from components.records import Audio

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE = 16_000
"""Rate of everything that :func:`decode` returns, in Hz."""

PREROLL_SECONDS = 0.5
"""How far before an offset decoding begins, so that lossy codecs have settled when it is reached."""

MAX_MAGNITUDE = 1e5
"""Magnitude up to which samples are taken. Full scale is 1, but 16-bit integers written as floats occur."""

Samples = NDArray[np.float32]


def decode(audio: Audio, limits: Limits = LIMITS) -> Samples:
    """Return the samples of a stretch: mono float32, (round(seconds * 16000),), nominally in [-1, 1].

    Raises:
        DataError: The file changed, ends early, is damaged, or holds NaN, infinity or samples beyond
            :data:`MAX_MAGNITUDE`.
    """
    path = audio.path
    prefer_copy(audio)
    if look_up_sha256(*identity_of(path)) != audio.sha256:
        raise audio_error(
            path, "expected the file that the manifest was read with, found another", "load it again"
        )
    with open_container(path, limits) as (container, stream):
        check_length(path, audio.seconds, stream.rate, stream.channels, limits)
        first, count = round(audio.offset * stream.rate), max(1, round(audio.seconds * stream.rate))
        blocks = decode_stretch(container, stream, first, count)
        n_samples = max(1, round(audio.seconds * SAMPLE_RATE))
        samples, n_decoded = _fill(_resample(blocks, stream.rate), n_samples)
        if count - (n_decoded + 2) * stream.rate / SAMPLE_RATE > missing_samples_allowed(stream):
            decoded = f"{n_decoded / SAMPLE_RATE:.2f} s that can be decoded: damaged"
            raise audio_error(path, f"expected {audio.seconds:.2f} s, found {decoded}", "copy it again")
    _check_range(path, samples)
    return samples


def _check_range(path: FilePath, samples: Samples) -> None:
    """Refuse samples that are no sound: NaN, infinity, and values that would overflow later. DataError."""
    if max(samples.max(initial=0.0), -samples.min(initial=0.0)) <= MAX_MAGNITUDE:  # not so for NaN
        return
    at = int(np.argmin(np.abs(samples) <= MAX_MAGNITUDE))
    value = f"{samples[at]:g}" if np.isfinite(samples[at]) else "NaN or infinity"
    what = f"expected samples of at most {MAX_MAGNITUDE:g}, found {value} at {at / SAMPLE_RATE:.2f} s"
    raise audio_error(path, what, "export it again")


def decode_stretch(
    container: InputContainer, stream: AudioStream, first: int, count: int
) -> Iterator[Samples]:
    """Decode mono blocks at the file's own rate.

    Args:
        container: the file, opened.
        stream: its audio.
        first: first sample to return.
        count: samples to return; fewer come where the file ends early.
    """
    start = first / stream.rate - PREROLL_SECONDS
    if start > 0:
        ticks = int(start / float(stream.time_base or 1)) + (stream.start_time or 0)
        container.seek(ticks, stream=stream)
    position, late = None, 0
    for frame in container.decode(stream):
        if frame.pts is not None and frame.time_base is not None:
            begin = round((frame.pts - (stream.start_time or 0)) * frame.time_base * stream.rate)
            if position is None and start <= 0:  # FFmpeg begins an Ogg Vorbis of one page a block late
                late = max(0, begin)
            position = begin - late
        elif position is None:
            position = 0
        block = _to_mono(frame)[max(0, first - position) : max(0, first + count - position)]
        if len(block):
            yield block
        position += frame.samples
        if position >= first + count:
            return


_SCALES = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31, "s64": 2.0**-63, "flt": 1.0, "dbl": 1.0}


def _to_mono(frame: AudioFrame) -> Samples:
    """One decoded frame -> (samples,) float32: integers scaled by a power of two, channels averaged."""
    stored = frame.to_ndarray()
    name = frame.format.name
    channels = stored if name.endswith("p") else stored.reshape(frame.samples, -1).T
    kind = name.removesuffix("p")
    scaled = channels.astype(np.float32) - np.float32(128 if kind == "u8" else 0)
    scaled *= np.float32(_SCALES[kind])
    mixed: Samples = scaled[0] if len(scaled) == 1 else scaled.mean(axis=0, dtype=np.float32)
    return mixed


def _resample(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    """Mono blocks at ``rate`` -> mono blocks at 16 kHz."""
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    from av.audio.frame import AudioFrame  # noqa: PLC0415 - as in components.audio.container
    from av.audio.resampler import AudioResampler  # noqa: PLC0415 - as above

    resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    position = 0

    def feed(block: Samples) -> Iterator[Samples]:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block[None, :]), format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, position
        return (out.to_ndarray()[0] for out in resampler.resample(frame))

    for block in blocks:
        yield from feed(block)
        position += len(block)
    if 0 < position < 256:  # so few, without anything behind them, give none
        yield from feed(np.zeros(256, np.float32))
    if position:
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def _fill(blocks: Iterator[Samples], length: int) -> tuple[Samples, int]:
    """Write blocks into one array of ``length``, cut or zero-padded; also how many samples there were."""
    samples = np.zeros(length, dtype=np.float32)
    n_decoded = 0
    for block in blocks:
        part = block[: max(0, length - n_decoded)]
        samples[n_decoded : n_decoded + len(part)] = part
        n_decoded += len(block)
    return samples, n_decoded
