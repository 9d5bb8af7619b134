from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from components import audio
from components.audio.headers import FLAC_SLACK, MAX_CHUNKS, find_flac_end
from components.errors import DataError
from tests.malformed import tone, write_silence, write_tone

SUBTYPES = {"wav": None, "flac": None, "mp3": None, "ogg": "VORBIS", "opus": "OPUS"}


@pytest.mark.parametrize("extension", SUBTYPES)
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2)])
def test_probe_agrees_with_soundfile(extension, rate, channels, tmp_path):
    path = tmp_path / f"a.{extension}"
    samples = np.stack([tone(2.5, rate)] * channels, axis=1)
    container = "OGG" if extension in ("ogg", "opus") else extension.upper()
    soundfile.write(path, samples, rate, format=container, subtype=SUBTYPES[extension])
    result, oracle = audio.probe(path), soundfile.info(path)
    assert result.channels == oracle.channels == channels
    assert result.sample_rate == (48_000 if extension == "opus" else oracle.samplerate)
    assert result.seconds == pytest.approx(oracle.duration, abs=0 if extension in ("wav", "flac") else 0.03)


def test_describe_is_the_whole_file_by_default(tmp_path):
    sound = audio.describe(write_tone(tmp_path / "a.flac", 1.5))
    assert (sound.seconds, sound.offset, sound.sample_rate) == (1.5, 0.0, 16_000)


@pytest.mark.parametrize(
    ("offset", "duration"), [(0.0, 1.6), (1.0, 0.9), (2.0, None), (-0.1, None), (0.5, 0.0)]
)
def test_a_stretch_outside_the_file_is_refused(offset, duration, tmp_path):
    with pytest.raises(DataError, match="expected"):
        audio.describe(write_tone(tmp_path / "a.wav", 1.3), offset, duration)


def test_a_rounded_duration_is_cut_to_the_end(tmp_path):
    assert audio.describe(write_tone(tmp_path / "a.wav", 1.3), 0.5, 1.0).seconds == pytest.approx(0.8)


def test_four_hours_of_silence_are_refused_but_a_stretch_of_them_is_fine(tmp_path):
    path = write_silence(tmp_path / "a.flac", 4.0)
    with pytest.raises(DataError, match="split it with offset and duration"):
        audio.describe(path)
    stretch = audio.describe(path, 13_000.5, 1.0)
    assert audio.decode(stretch).shape == (16_000,)


@pytest.mark.parametrize("extension", ["mp3", "flac", "ogg"])
def test_files_cut_anywhere_in_their_middle_are_refused(extension, tmp_path):
    content = write_tone(tmp_path / f"a.{extension}", 4.0).read_bytes()
    path = tmp_path / f"cut.{extension}"
    for tenth in range(1, 9):
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(DataError, match="truncated"):
            audio.describe(path)


@pytest.mark.parametrize("size", [5, 300])
def test_a_tag_before_an_mp3_does_not_hide_its_frame_count(size, tmp_path):
    """ID3 says its size in four bytes of seven bits; behind it lies the frame with the count."""
    content = write_tone(tmp_path / "a.mp3", 4.0).read_bytes()
    path = tmp_path / "tagged.mp3"
    tag = b"ID3\4\0\0" + bytes([0, 0, size >> 7, size & 127]) + bytes(size)
    path.write_bytes(tag + content)
    expected = audio.probe(tmp_path / "a.mp3").seconds
    assert audio.probe(path).seconds == expected
    path.write_bytes(tag + content[: len(content) // 2])
    with pytest.raises(DataError, match="truncated"):
        audio.probe(path)


def test_flac_whose_blocks_never_end_has_no_known_end():
    head = b"fLaC\0\0\0\x22" + bytes(10) + (44100 << 44 | 15 << 36 | 9).to_bytes(8, "big") + bytes(16)
    assert find_flac_end(io.BytesIO(head + b"\1\0\0\0" * MAX_CHUNKS)) is None
    assert find_flac_end(io.BytesIO(head + b"\x81\0\0\0")) == len(head) + 4 + 2 * 9 * 16 // 8 + FLAC_SLACK
