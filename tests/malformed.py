"""Bad input, made on the spot: audio files and manifest lines that users really have."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 16_000


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    """A sine of 16-bit integers, (samples,)."""
    return (np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate) * 12_000).astype(np.int16)


def write_tone(path: Path, seconds: float = 1.0, rate: int = RATE) -> Path:
    soundfile.write(path, tone(seconds, rate), rate)
    return path


def _rate_of_one(path: Path) -> None:
    content = bytearray(write_tone(path).read_bytes())
    content[24:28] = struct.pack("<I", 1)
    path.write_bytes(content)


def _half(path: Path) -> None:
    content = write_tone(path, 3.0).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _nan(path: Path) -> None:
    samples = tone().astype(np.float32) / 2**15
    samples[8_000] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def _spike(path: Path) -> None:
    samples = tone().astype(np.float32) / 2**15
    samples[8_000] = 1e30
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def _damage(path: Path) -> None:
    content = bytearray(write_tone(path, 5.0).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(content)


def _zipped(path: Path) -> None:
    soundfile.write(path.with_suffix(".mp3"), tone(5.0), RATE)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".mp3"), "a.mp3")


def _header_only(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.int16), RATE)


def write_silence(path: Path, hours: float) -> Path:
    """A FLAC file of silence: hours in a few hundred kilobytes."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000)
        stream.layout = "mono"
        block = np.zeros((1, 4_608), np.int16)
        for index in range(int(hours * 3_600 * 8_000) // block.shape[1]):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8_000, index * block.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


AUDIO_FAULTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "rate-1.wav": ("sample rate", _rate_of_one),
    "half.wav": ("truncated", _half),
    "half.flac": ("truncated", _half),
    "half.ogg": ("truncated", _half),
    "half.mp3": ("truncated", _half),
    "zero-bytes.wav": ("empty file", lambda path: path.write_bytes(b"")),
    "talks.zip": ("found an archive; unpack it", _zipped),
    "text.wav": ("another format", lambda path: path.write_text("hello " * 200)),
    "folder.wav": ("directory", lambda path: path.mkdir()),
    "header-only.wav": ("no samples", _header_only),
    "pipe.wav": ("pipe", lambda path: os.mkfifo(path)),
    "device.wav": ("device", lambda path: path.symlink_to("/dev/zero")),
    "dangling.wav": ("found none", lambda path: path.symlink_to("nowhere.wav")),
    "playlist.mp3": ("another format", lambda path: path.write_text("#EXTM3U\nhttp://127.0.0.1:9/a.mp3\n")),
    "concat.wav": ("another format", lambda path: path.write_text("ffconcat version 1.0\nfile other.wav\n")),
}
"""File name -> a word that the message must contain, and how the file is made. All fail when probed."""

LATE_FAULTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "nan.wav": ("NaN", _nan),
    "spike.wav": (r"1e\+30 at 0.50 s", _spike),
    "damaged.flac": ("damaged", _damage),
}
"""The same for what only decoding finds."""

GOOD_LINE = b'{"id": "%s", "text": "A dog runs.", "source_language": "en", "references": ["Ein Hund rennt."]}'

BAD_LINES: dict[str, bytes] = {
    "NaN": b'{"id": "n", "text": "x", "source_language": "en", "offset": NaN}',
    "infinite number": b'{"id": "i", "audio": "a.wav", "source_language": "en", "offset": 1e999}',
    "key twice": b'{"id": "k", "text": "x", "text": "y", "source_language": "en"}',
    "lone surrogate": b'{"id": "s", "text": "\\ud800", "source_language": "en"}',
    "surrogate in the id": b'{"id": "\\udfff", "text": "x", "source_language": "en"}',
    "nested brackets": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "not UTF-8": b'{"id": "l", "text": "caf\xe9", "source_language": "en"}',
    "no JSON": b"hello",
    "cut short": b'{"id": "c", "text": "x',
    "an array": b'["a"]',
    "null": b"null",
    "no source": b'{"id": "e", "source_language": "en"}',
    "blank text": b'{"id": "b", "text": "  ", "source_language": "en"}',
    "no language": b'{"id": "g", "text": "x"}',
    "language of markup": b'{"id": "m", "text": "x", "source_language": "<b>"}',
    "a number as text": b'{"id": "t", "text": 3, "source_language": "en"}',
    "numbers as references": b'{"id": "r", "text": "x", "source_language": "en", "references": [1]}',
    "an empty id": b'{"id": "", "text": "x", "source_language": "en"}',
    "a line break in the id": b'{"id": "a\\nb", "text": "x", "source_language": "en"}',
    "missing audio": b'{"id": "a", "audio": "missing.wav", "source_language": "en"}',
    "a URL": b'{"id": "u", "audio": "http://127.0.0.1:9/a.wav", "source_language": "en"}',
    "a NUL in a path": b'{"id": "z", "audio": "a\\u0000b", "source_language": "en"}',
    "a negative offset": b'{"id": "o", "audio": "tone.wav", "offset": -1, "source_language": "en"}',
    "an offset past the end": b'{"id": "p", "audio": "tone.wav", "offset": 99, "source_language": "en"}',
    "a huge integer": b'{"id": "h", "text": "x", "offset": %s, "source_language": "en"}' % (b"9" * 5_000),
    "a line of 2 MiB": b'{"id": "' + b"x" * 2**21 + b'"}',
}
"""Name -> one line of a JSONL manifest that must be quarantined while its neighbours are read."""


def write_bad_manifest(folder: Path) -> tuple[Path, int, int]:
    """A manifest with a good line before every bad one -> its path, good records, bad records."""
    write_tone(folder / "tone.wav")
    lines = []
    for number, bad in enumerate(BAD_LINES.values()):
        lines += [GOOD_LINE % f"good-{number}".encode(), bad]
    lines += [GOOD_LINE % b"cafe\xcc\x81", GOOD_LINE % b"caf\xc3\xa9"]  # one id, decomposed and composed
    path = folder / "bad.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines) + b"\n\n")
    return path, len(BAD_LINES) + 1, len(BAD_LINES) + 1
