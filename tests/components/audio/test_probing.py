from __future__ import annotations

import numpy as np
import pytest
import soundfile

from components import audio
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
