"""Where the samples of a WAV or FLAC file end by its own headers, so that FFmpeg need not search behind them.

Behind the samples of a WAV file FFmpeg looks for chunks eight bytes at a time: a mebibyte of zeros takes it a
third of a second. In a gigabyte of zeros behind the frames of a FLAC file its search for a time aborts the
process.
"""

from __future__ import annotations

from typing import BinaryIO, Literal, NamedTuple

STREAMED = 0x7FFF_F000
"""Sizes from here on are what programs write that cannot know the length yet (sox, ffmpeg into a pipe)."""

MAX_CHUNKS = 1_000
"""Chunks (or FLAC's blocks) looked at before the samples; a file of zeros is millions of empty ones."""

FLAC_SLACK = 2**20
"""Bytes that a FLAC file may have beyond twice its uncompressed samples."""


class DataChunk(NamedTuple):
    """The samples of a WAV file.

    Attributes:
        start: their first byte.
        end: the byte after the last that the header promises; None where it promises none.
    """

    start: int
    end: int | None


def is_wave(file: BinaryIO) -> bool:
    """Return whether ``file`` begins as WAV files do, those above 4 GiB and big-endian ones included."""
    file.seek(0)
    head = file.read(12)
    return head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:] == b"WAVE"


def find_data_chunk(file: BinaryIO) -> DataChunk | None:
    """Find the chunk of samples of a WAV file; None where it is not among the first thousand chunks."""
    file.seek(0)
    order: Literal["big", "little"] = "big" if file.read(4) == b"RIFX" else "little"
    position, long_length = 12, None
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return None
        length = int.from_bytes(head[4:], order)
        position += 8
        if head[:4] == b"data":
            if long_length is not None:
                length = long_length
            elif length == 0 or length >= STREAMED:
                return DataChunk(position, None)
            return DataChunk(position, position + length)
        if head[:4] == b"ds64":  # of a file of more than 4 GiB
            long_length = int.from_bytes(file.read(16)[8:], "little")
        position += length + length % 2
    return None


def find_flac_end(file: BinaryIO) -> int | None:
    """Find a byte behind which no frame of a FLAC file lies; None for other files and unknown lengths."""
    file.seek(0)
    head = file.read(26)
    if head[:4] != b"fLaC" or len(head) < 26:
        return None
    packed = int.from_bytes(head[18:26], "big")  # rate 20 bits, channels 3, bits 5, samples 36
    channels, bits, samples = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & 2**36 - 1
    if samples == 0:
        return None
    position = 4
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        block = file.read(4)
        position += 4 + int.from_bytes(block[1:], "big")
        if block[:1] >= b"\x80":  # the last block before the frames
            return position + 2 * samples * channels * bits // 8 + FLAC_SLACK
    return None
