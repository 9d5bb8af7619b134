"""The sound of MKV files: read as from any other container, and refused where the file is cut short."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from components import audio
from components.errors import DataError


@pytest.fixture
def recording(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Three seconds of noise as 16-bit PCM in Matroska."""
    samples = np.random.default_rng(1).integers(-9000, 9000, 48_000).astype(np.int16)
    return write(tmp_path / "noise.mkv", samples), samples.astype(np.float32) / 2**15


def write(path: Path, *tracks: np.ndarray) -> Path:
    """Write samples as tracks in German, English."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in tracks]
        for stream, language in zip(streams, ("ger", "eng"), strict=False):
            stream.metadata["language"] = language
        for stream, samples in zip(streams, tracks, strict=True):
            for start in range(0, len(samples), 1600):
                block = np.ascontiguousarray(samples[None, start : start + 1600])
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_of_several_tracks_the_first_is_read_and_a_line_says_so(
    recording: tuple[Path, np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, samples = recording
    np.testing.assert_array_equal(audio.decode(audio.describe(path)), samples)
    assert caplog.messages == []
    path = write(tmp_path / "film.mkv", *np.array([[9000], [-9000]], np.int16).repeat(48_000, axis=1))
    assert audio.decode(audio.describe(path)).min() > 0
    [line] = caplog.messages
    assert line.startswith(f"{path}: expected one audio track, found ger, eng; reads the first")


def test_all_of_it_and_a_stretch(recording: tuple[Path, np.ndarray]) -> None:
    path, samples = recording
    assert audio.describe(path).seconds == pytest.approx(3.0)
    np.testing.assert_array_equal(audio.decode(audio.describe(path)), samples)
    np.testing.assert_array_equal(audio.decode(audio.describe(path, 1.0, 0.5)), samples[16_000:24_000])


def test_a_file_that_is_cut_short(recording: tuple[Path, np.ndarray]) -> None:
    path, _ = recording
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(DataError, match=r"expected the 3\.00 s that it declares, found 1\."):
        audio.describe(path)
