from __future__ import annotations

import struct

import pytest

from components import audio
from components.audio.truncation import check_not_truncated
from components.errors import DataError
from tests.malformed import write_tone


@pytest.mark.parametrize("container", ["wav", "ogg"])
@pytest.mark.parametrize("missing", [1, 2, 30, 1_000])
def test_every_missing_byte_is_noticed(container, missing, tmp_path):
    path = write_tone(tmp_path / f"a.{container}", 2.0)
    check_not_truncated(path, container)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DataError, match="truncated"):
        check_not_truncated(path, container)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_streamed_wav_has_no_length_and_is_read_to_its_end(size, tmp_path):
    path = write_tone(tmp_path / "a.wav", 2.0)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    assert audio.probe(path).seconds == pytest.approx(2.0, abs=0.01)


def test_chunks_before_the_samples_are_skipped(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    content = path.read_bytes()
    at = content.index(b"data")
    note = b"JUNK" + struct.pack("<I", 3) + b"abc\0"
    whole = (
        content[:4] + struct.pack("<I", len(content) + len(note) - 8) + content[8:at] + note + content[at:]
    )
    path.write_bytes(whole)
    check_not_truncated(path, "wav")
    assert audio.probe(path).seconds == 1.0


def test_other_containers_are_left_to_the_decoder(tmp_path):
    check_not_truncated(tmp_path / "absent", "flac")


def test_a_wav_file_that_ends_before_its_samples_is_truncated(tmp_path):
    path = write_tone(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match="expected 1 more bytes"):
        check_not_truncated(path, "wav")


@pytest.mark.parametrize("left", [0, 10, 22, 23, 24])
def test_an_ogg_page_that_ends_in_its_own_header_is_truncated(left, tmp_path):
    path = write_tone(tmp_path / "a.ogg")
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b"OggS") + 4 + left])
    with pytest.raises(DataError, match="truncated"):
        check_not_truncated(path, "ogg")


def test_what_has_no_page_of_ogg_is_left_to_the_decoder(tmp_path):
    (tmp_path / "a.ogg").write_bytes(b"x" * 1000)
    check_not_truncated(tmp_path / "a.ogg", "ogg")
