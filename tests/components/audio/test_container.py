from __future__ import annotations

import os
import struct
import time

import av
import numpy as np
import pytest
import soundfile

from components import audio
from components.audio.container import look_up_sha256
from components.errors import DataError
from components.files.locations.opening import identity_of, open_regular_file
from tests.malformed import AUDIO_FAULTS, RATE, tone, write_tone


@pytest.mark.parametrize("name", AUDIO_FAULTS)
def test_bad_files_are_refused_in_one_line(name, tmp_path):
    word, make = AUDIO_FAULTS[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(DataError, match=word) as caught:
        audio.describe(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:9/a.wav", "concat:a.wav|b.wav", "a\0b", "-", "pipe:0", ""]
)
def test_names_are_only_ever_local_files(name):
    with pytest.raises(DataError):
        audio.probe(name)


def test_a_file_over_the_size_limit_is_refused(tmp_path):
    with pytest.raises(DataError, match="at most 100 bytes"):
        audio.probe(write_tone(tmp_path / "a.wav"), audio.Limits(file_bytes=100))


def test_too_many_channels_are_refused(tmp_path):
    with pytest.raises(DataError, match="channels"):
        audio.probe(write_tone(tmp_path / "a.wav"), audio.Limits(channels=0))


def test_many_channels_at_a_high_rate_are_refused_by_their_headers(tmp_path):
    """Seven gigabytes take minutes to read and decode; a stretch of the file may be used."""
    path, channels, rate, seconds = tmp_path / "a.wav", 64, 384_000, 150
    size = 2 * channels * rate * seconds
    path.write_bytes(
        b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, size // 128, 0)
        + b"fmt " + struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
        + b"data\xff\xff\xff\xff"
    )  # fmt: skip
    os.truncate(path, path.stat().st_size + size)  # zeros that take no space
    began = time.process_time()
    with pytest.raises(
        DataError, match=r"at most 2,147,483,648 samples in .* \(64 channels of 150 s at 384000 Hz\)"
    ):
        audio.describe(path)
    assert time.process_time() - began < 10
    small = write_tone(tmp_path / "b.wav", 2.0)
    whole = audio.describe(small)
    limits = audio.Limits(samples=RATE)
    with pytest.raises(DataError, match="split it with offset and duration"):
        audio.decode(whole, limits)
    assert audio.describe(small, 0.5, 1.0, limits).seconds == 1.0


def test_digest_notices_that_a_file_changed(tmp_path):
    path = write_tone(tmp_path / "a.wav", 1.0)
    before = look_up_sha256(*identity_of(path))
    write_tone(path, 1.5)
    longer = look_up_sha256(*identity_of(path))
    assert longer != before
    times = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps the times does
    assert look_up_sha256(*identity_of(path)) != longer


def test_regular_gives_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_regular_file(tmp_path / "a") as file:
        assert file.read() == b"abc"


def test_an_unknown_codec_is_refused(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    content[20:22] = b"\x34\x12"
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected"):
        audio.describe(path)


@pytest.mark.parametrize(
    ("name", "settings", "size"),
    [
        ("a.wav", {}, 32 * 2**20),
        ("a.wav", {"endian": "BIG"}, 32 * 2**20),
        ("a.wav", {"format": "RF64"}, 32 * 2**20),
        ("a.flac", {}, 500 * 2**20),
    ],
)
def test_zeros_behind_the_samples_are_not_searched(name, settings, size, tmp_path):
    soundfile.write(tmp_path / name, tone(), RATE, **settings)
    os.truncate(tmp_path / name, size)
    begun = time.process_time()
    assert audio.probe(tmp_path / name).seconds == 1.0
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_what_follows_the_samples_changes_none_of_them(name, tmp_path):
    path = write_tone(tmp_path / name)
    before = audio.decode(audio.describe(path))
    path.write_bytes(path.read_bytes() + b"LIST\x04\0\0\0abcd" + bytes(2**21))
    np.testing.assert_array_equal(audio.decode(audio.describe(path)), before)


def test_a_name_in_no_known_encoding_is_no_fault(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    content = path.read_bytes()
    named = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"caf\xe9"
    path.write_bytes(content.replace(b"data", named + b"data", 1))
    assert audio.describe(path).sample_rate == RATE


@pytest.mark.parametrize("head", [b"RIFF\0\0\0\0WAVE", b"fLaC"])
def test_zeros_instead_of_samples_are_refused_at_once(head, tmp_path):
    (tmp_path / "a").write_bytes(head)
    os.truncate(tmp_path / "a", 32 * 2**20)
    begun = time.process_time()
    with pytest.raises(DataError):
        audio.probe(tmp_path / "a")
    assert time.process_time() - begun < 0.5


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="expected an audio stream, found none"):
        audio.probe(path)
