"""Opening an audio file for FFmpeg: regular, within limits, read as a stream without a name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from components.audio.headers import find_data_chunk, find_flac_end, is_wave
from components.errors import DataError
from components.files.locations.location import FilePath, show_location
from components.files.locations.opening import MAX_FILE_BYTES, open_location

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

FORMATS = "wav,flac,mp3,ogg,mov,aac,matroska"
"""FFmpeg's names of the containers that are read (mov is MP4, M4A and MOV; matroska is MKV and WebM)."""

SLACK_SECONDS = 0.25
"""How much shorter than declared a lossy file may be (encoder padding); lossless files get none."""


@dataclass(frozen=True)
class Limits:
    """Bounds beyond which audio is refused: nobody means it, or it would not fit in memory.

    Attributes:
        seconds: of one utterance: 0.7 GB of 16 kHz float32.
        samples: of one utterance, over all channels: three hours of stereo at 96 kHz, a minute to decode.
        file_bytes: of one file.
        lowest_rate: samples per second.
        highest_rate: samples per second.
        channels: channels of one file.
    """

    seconds: float = 3 * 3600.0
    samples: int = 2**31
    file_bytes: int = MAX_FILE_BYTES
    lowest_rate: int = 4_000
    highest_rate: int = 384_000
    channels: int = 64


LIMITS = Limits()


@contextmanager
def open_container(path: FilePath, limits: Limits) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Yield what a location names as FFmpeg's container and its first audio stream; closed afterwards.

    Raises:
        DataError: The file is no such audio or beyond ``limits``; errors of FFmpeg become this one, too.
    """
    import av  # noqa: PLC0415 - 34 MB of FFmpeg, which only whoever opens a file needs

    with open_location(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise audio_error(path, "expected audio, found an empty file")
        if size > limits.file_bytes:
            raise audio_error(
                path, f"expected at most {limits.file_bytes} bytes, found {size}", "split the file"
            )
        file.seek(0)
        head = file.read(262)
        if head.startswith(b"PK\3\4") or head.endswith(b"ustar"):  # in which FFmpeg finds an MP3
            raise audio_error(path, "expected audio, found an archive", "unpack it")
        view = _view_samples(path, file, size)
        try:
            # PyAV reads any bytes as names from 19 on, and has no argument for it
            names: Any = {} if int(av.__version__[:2]) > 18 else {"metadata_errors": "ignore"}
            with av.open(view, "r", options={"format_whitelist": FORMATS}, **names) as container:
                if not container.streams.audio:
                    raise audio_error(path, "expected an audio stream, found none")
                stream = container.streams.audio[0]
                if getattr(stream, "codec_context", None) is None:  # a codec that FFmpeg does not know
                    raise audio_error(path, "expected audio in a known codec, found none", "convert it")
                stream.codec_context.thread_count = 1
                if stream.codec_context.name == "flac":  # else damaged frames are decoded as noise
                    stream.codec_context.options = {"err_detect": "crccheck+explode"}
                check_bounds(path, size, stream.rate or 0, stream.channels or 0, limits)
                yield container, stream
        except (av.FFmpegError, ValueError, EOFError) as error:
            raise audio_error(
                path,
                f"expected WAV, FLAC, MP3, OGG, M4A, MP4, MKV or WebM, found {_explain_failure(file, error)}",
            ) from error


class _FilePrefix:
    """The bytes of a file up to ``end``, as FFmpeg reads them."""

    def __init__(self, file: BufferedReader, end: int) -> None:
        self._file, self._end = file, end
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        return self._file.read(max(0, min(size, self._end - self._file.tell())))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._end + offset, os.SEEK_SET
        return self._file.seek(offset, whence)


def _view_samples(path: FilePath, file: BufferedReader, size: int) -> BufferedReader | _FilePrefix:
    """Return the part of a file that FFmpeg is shown: nothing behind its samples."""
    if is_wave(file):
        chunk = find_data_chunk(file)
        if chunk is None:
            raise audio_error(
                path, "expected a data chunk in the WAV file, found none: truncated", "copy it again"
            )
        end = chunk.end
    else:
        end = find_flac_end(file)
    file.seek(0)
    return file if end is None or end >= size else _FilePrefix(file, end)


def _explain_failure(file: BufferedReader, error: Exception) -> str:
    """Return what FFmpeg's error says about the file, as far as one can tell, and what to do."""
    cause = getattr(error, "strerror", None) or str(error)
    file.seek(4)
    if isinstance(error, EOFError):
        return "the end inside its headers: truncated; copy it again"
    if file.read(4) == b"ftyp":
        return f"MP4 without its index or damaged, probably truncated ({cause}); copy it again"
    return f"another format, or damage ({cause}); convert it"


def read_regular_file(path: FilePath, limit: int) -> bytes:
    """Read a file that is used whole.

    Raises:
        DataError: it is none, no regular one, or has more than ``limit`` bytes.
    """
    with open_location(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise audio_error(path, f"expected at most {limit} bytes, found more", "split it")
    return content


def check_bounds(path: FilePath, size: int, rate: int, channels: int, limits: Limits) -> None:
    """Refuse a file of too many bytes, and a rate or a number of channels that only a damaged header has."""
    if size > limits.file_bytes:
        raise audio_error(path, f"expected at most {limits.file_bytes} bytes, found {size}", "split the file")
    if not limits.lowest_rate <= rate <= limits.highest_rate:
        bounds = f"{limits.lowest_rate} to {limits.highest_rate} Hz"
        raise audio_error(path, f"expected a sample rate of {bounds}, found {rate} Hz", "repair the header")
    if not 1 <= channels <= limits.channels:
        raise audio_error(path, f"expected 1 to {limits.channels} channels, found {channels}")


def check_length(path: FilePath, seconds: float, rate: int, channels: int, limits: Limits) -> None:
    """Refuse a stretch of ``seconds`` that would not fit in memory, or take minutes to decode."""
    if seconds > limits.seconds:
        raise audio_error(
            path,
            f"expected at most {limits.seconds:.0f} s in one utterance, found {seconds:.0f} s",
            "split it with offset and duration",
        )
    samples = round(seconds * rate) * channels
    if samples > limits.samples:
        raise audio_error(
            path,
            f"expected at most {limits.samples:,} samples in one utterance, found {samples:,} "
            f"({channels} channels of {seconds:.0f} s at {rate} Hz)",
            "convert it to fewer channels or a lower rate, or split it with offset and duration",
        )


def missing_samples_allowed(stream: AudioStream) -> int:
    """Return samples by which a file may be shorter than it declares without being truncated."""
    name = stream.codec_context.name
    return 0 if name == "flac" or name.startswith("pcm_") else round(SLACK_SECONDS * stream.rate)


@lru_cache(maxsize=65_536)
def look_up_sha256(path: str, *_version: int) -> str:
    """Look up a file's SHA-256 (hex); the other values of :func:`identity_of` tell the cache of changes."""
    with open_location(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def truncation_error(path: FilePath, declared: float, present: float | None) -> DataError:
    """Return the error of a file that ends before the ``declared`` seconds."""
    description = "an earlier end" if present is None else f"{present:.2f} s"
    return audio_error(
        path,
        f"expected the {declared:.2f} s that it declares, found {description}: truncated or damaged",
        "copy it again",
    )


def audio_error(path: FilePath, what: str, remedy: str | None = None) -> DataError:
    """Return the error of one file in one line: what was expected and found, and what to do."""
    return DataError(f"{show_location(path)}: {what}" + (f"; {remedy}" if remedy else ""))
