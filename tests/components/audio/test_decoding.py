from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from components import audio
from components.errors import DataError
from tests.malformed import LATE_FAULTS, RATE, tone, write_tone

NOISE = np.random.default_rng(7).integers(-(2**15), 2**15, 3 * RATE).astype(np.int16)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    for extension in ("wav", "flac"):
        soundfile.write(folder / f"noise.{extension}", NOISE, RATE)
    return folder


@pytest.mark.parametrize("extension", ["wav", "flac"])
def test_lossless_16_khz_is_exact(extension, noise):
    path = noise / f"noise.{extension}"
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio.decode(audio.describe(path)), expected)


@settings(max_examples=40)
@given(first=st.integers(0, 3 * RATE - 1), data=st.data())
@pytest.mark.parametrize("extension", ["wav", "flac"])
def test_offsets_are_exact_to_a_sample(extension, noise, first, data):
    length = data.draw(st.integers(1, 3 * RATE - first))
    result = audio.decode(audio.describe(noise / f"noise.{extension}", first / RATE, length / RATE))
    np.testing.assert_array_equal(result, NOISE[first : first + length].astype(np.float32) / 2**15)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_is_scaled_alike(subtype, tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), RATE, subtype=subtype)
    expected, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    np.testing.assert_allclose(audio.decode(audio.describe(tmp_path / "a.wav")), expected, atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_gives_the_sine_that_was_sampled(rate, tmp_path):
    """The oracle is the formula: a sine below both Nyquist rates, sampled at 16 kHz."""
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rate, "FLOAT")
    result = audio.decode(audio.describe(tmp_path / "a.wav"))
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert result.shape == (RATE,)
    np.testing.assert_allclose(result[800:-800], expected[800:-800], atol=2e-3)


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("count", [1, 2, 10, 50])
def test_a_click_has_samples(rate, count, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.5 * np.ones(count), rate, "FLOAT")
    result = audio.decode(audio.describe(tmp_path / "a.wav"))
    assert len(result) == max(1, round(count * RATE / rate))
    assert 0.1 < result[0] < 0.7


def test_resampling_removes_what_cannot_be_heard_at_16_khz(tmp_path):
    soundfile.write(
        tmp_path / "a.wav", np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000), 48_000, "FLOAT"
    )
    assert np.abs(audio.decode(audio.describe(tmp_path / "a.wav"))[800:-800]).max() < 2e-3


def test_eight_channels_at_96_khz_are_averaged(tmp_path):
    signs = np.array([1, 1, 1, 1, 1, 1, -1, -1], np.int16)
    soundfile.write(tmp_path / "a.wav", tone(1.0, 96_000)[:, None] * signs, 96_000)
    soundfile.write(tmp_path / "mono.wav", tone(1.0, 96_000), 96_000)
    result, mono = (audio.decode(audio.describe(tmp_path / name)) for name in ("a.wav", "mono.wav"))
    assert result.ndim == 1
    np.testing.assert_allclose(result, mono / 2, atol=1e-4)


@pytest.mark.parametrize(("name", "subtype"), [("a.mp3", None), ("a.ogg", "VORBIS"), ("b.ogg", "OPUS")])
@pytest.mark.parametrize("offset", [0.0, 0.31, 1.7, 4.123])
def test_lossy_stretches_lie_where_the_whole_file_has_them(name, subtype, offset, tmp_path):
    sweep = (
        np.sin(2 * np.pi * (200 + 150 * np.arange(6 * 48_000) / 48_000) * np.arange(6 * 48_000) / 48_000) / 2
    )
    container = name[2:].upper()
    soundfile.write(tmp_path / name, sweep, 48_000, format=container, subtype=subtype)
    whole = audio.decode(audio.describe(tmp_path / name))
    part = audio.decode(audio.describe(tmp_path / name, offset, 1.0))
    first = round(offset * RATE)
    expected = whole[first : first + RATE]
    assert part.shape == (RATE,)
    # A shift of one sample at 16 kHz changes this sweep by up to 0.25.
    assert np.abs(part - expected)[200:-200].max() < 0.02
    assert np.abs(whole[400:-400] - sweep[::3][400:-400]).max() < 0.1


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", None), ("a.ogg", "VORBIS")])
def test_a_clip_of_one_block_or_page_is_whole_and_has_stretches(name, subtype, tmp_path):
    soundfile.write(tmp_path / name, NOISE[:4000], RATE, subtype=subtype)
    expected, _ = soundfile.read(tmp_path / name, dtype="float32")
    whole = audio.decode(audio.describe(tmp_path / name))
    np.testing.assert_allclose(whole, expected, atol=1e-3)
    np.testing.assert_array_equal(audio.decode(audio.describe(tmp_path / name, 0.05, 0.1)), whole[800:2400])


def test_m4a_is_read(tmp_path):
    import av

    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=44_100)
        stream.layout = "stereo"
        for index in range(100):
            block = np.tile(np.sin(np.arange(1024) / 20).astype(np.float32), (2, 1))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44_100, index * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result = audio.decode(audio.describe(path))
    assert len(result) == pytest.approx(100 * 1024 / 44_100 * RATE, abs=0.05 * RATE)
    assert 0.4 < np.abs(result).max() < 1.2
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="truncated"):
        audio.describe(path)


def test_a_minute_of_zeros_is_fine(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(60 * RATE, np.int16), RATE)
    result = audio.decode(audio.describe(tmp_path / "a.flac"))
    assert result.shape == (60 * RATE,)
    assert not result.any()


@pytest.mark.parametrize("name", LATE_FAULTS)
def test_faults_inside_the_samples_are_refused(name, tmp_path):
    word, make = LATE_FAULTS[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=word):
        audio.decode(audio.describe(tmp_path / name))


def test_a_file_that_changed_since_it_was_described_is_refused(tmp_path):
    path = write_tone(tmp_path / "a.wav", 1.0)
    sound = audio.describe(path)
    write_tone(path, 2.0)
    with pytest.raises(DataError, match="load it again"):
        audio.decode(sound)


@settings(max_examples=100)
@given(
    position=st.integers(0, 400),
    value=st.integers(0, 255),
    extension=st.sampled_from(["wav", "flac", "ogg", "mp3"]),
)
def test_one_wrong_byte_in_the_headers_is_survived(tmp_path_factory, position, value, extension):
    base = tmp_path_factory.getbasetemp()
    source = base / f"base.{extension}"
    if not source.exists():
        write_tone(source, 0.3)
    content = bytearray(source.read_bytes())
    content[min(position, len(content) - 1)] = value
    damaged = base / f"damaged.{extension}"
    damaged.write_bytes(content)
    try:
        result = audio.decode(audio.describe(damaged))
    except DataError:
        return
    assert len(result) <= 60 * RATE
