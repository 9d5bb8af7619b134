"""Perturbed speech: each amount is measured on what comes out, by other means than made it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.audio import SAMPLE_RATE, Samples
from components.perturbation import speech
from components.perturbation.config import PerturbationConfig


def tone(hz: float, seconds: float = 1.0) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )


def frequency_of(samples: Samples) -> float:
    """Of a tone, by its zero crossings."""
    crossings = np.count_nonzero(np.diff(np.signbit(samples)))
    return crossings / 2 * SAMPLE_RATE / len(samples)


@settings(max_examples=25)
@given(snr=st.floats(-20, 60), color=st.sampled_from(["white", "pink"]), seed=st.integers(0, 5))
def test_the_ratio_of_speech_to_noise_is_exact(snr: float, color: str, seed: int) -> None:
    clean = tone(440)
    config = PerturbationConfig(snr_db=snr, noise=color)  # type: ignore[arg-type]
    noisy = speech.perturb_speech(clean, config, "u", seed)
    added = noisy.astype(np.float64) - clean
    measured = 10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(added**2))
    assert measured == pytest.approx(snr, abs=0.02)


def test_pink_noise_has_equal_power_in_every_octave_and_white_in_every_hertz() -> None:
    rng = np.random.default_rng(1)
    for color, ratio in (("pink", 1.0), ("white", 4.0)):
        power = np.abs(np.fft.rfft(speech._draw_noise(1 << 18, color, rng))) ** 2
        octaves = [power[low : 2 * low].sum() for low in (1 << 13, 1 << 15)]
        assert octaves[1] / octaves[0] == pytest.approx(ratio, rel=0.05)


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.1, 2.0])
def test_a_faster_tape_is_shorter_and_higher(speed: float) -> None:
    played = speech.change_speed(tone(400, 2.0), speed)
    assert len(played) == pytest.approx(2 * SAMPLE_RATE / speed, abs=32)
    assert frequency_of(played) == pytest.approx(400 * speed, rel=0.01)


def test_an_echo_falls_by_60_decibels_in_its_time() -> None:
    click = np.zeros(SAMPLE_RATE * 2, np.float32)
    click[0] = 0.5
    echoed = speech.add_reverberation(click, 1.0, np.random.default_rng(3)).astype(np.float64)
    level = lambda at: 10 * np.log10(np.mean(echoed[int(at * SAMPLE_RATE) :][:1600] ** 2))  # noqa: E731
    assert level(0.1) - level(0.6) == pytest.approx(30.0, abs=1.5)  # half of the time
    assert np.mean(echoed**2) == pytest.approx(np.mean(click.astype(np.float64) ** 2), rel=1e-5)
    assert not echoed[SAMPLE_RATE + 1 :].any() or level(1.1) < level(0.1) - 60


def test_a_telephone_passes_its_band_only() -> None:
    for hz, passes in ((100, False), (1000, True), (3000, True), (5000, False)):
        power = np.mean(speech.limit_band(tone(hz), 300, 3400) ** 2)
        assert power == pytest.approx(0.045 if passes else 0.0, abs=1e-4)


def test_the_share_of_clipped_samples_is_that_which_is_asked_for() -> None:
    loud = np.random.default_rng(1).standard_normal(20_000).astype(np.float32)
    clipped = speech.clip(loud, 0.1)
    assert np.mean(np.abs(clipped) >= np.abs(clipped).max()) == pytest.approx(0.1, abs=0.001)
    assert np.array_equal(
        clipped[np.abs(loud) < np.abs(clipped).max()], loud[np.abs(loud) < np.abs(clipped).max()]
    )


def test_noise_follows_the_utterance_and_the_seed_and_nothing_else() -> None:
    config = PerturbationConfig(snr_db=5)
    first = speech.perturb_speech(tone(300), config, "a", 1)
    assert np.array_equal(first, speech.perturb_speech(tone(300), config, "a", 1))
    for other in (("b", 1), ("a", 2)):
        assert not np.array_equal(first, speech.perturb_speech(tone(300), config, *other))


def test_recorded_noise_is_repeated_where_it_is_short() -> None:
    noise = np.arange(1, 101, dtype=np.float32)
    config = PerturbationConfig(snr_db=0, noise_file="x.wav")
    clean = tone(300)
    added = speech.perturb_speech(clean, config, "a", 1, noise).astype(np.float64) - clean
    assert np.allclose(added[:-100], added[100:], atol=1e-6)  # of period 100


@given(st.integers(0, 3))
def test_silence_and_nothing_stay_what_they_are(n: int) -> None:
    silence = np.zeros(n, np.float32)
    config = PerturbationConfig(snr_db=5, speed=1.0, clipping=0.5, min_hz=300 * (n == 0))
    assert np.array_equal(speech.perturb_speech(silence, config, "a", 1), silence)


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize(
    "amount", [{"speed": 2.0}, {"speed": 0.5}, {"reverb_seconds": 1e-5}, {"min_hz": 300}]
)
def test_a_click_is_perturbed_without_an_error(n: int, amount: dict[str, float]) -> None:
    config = PerturbationConfig.model_validate(amount)
    clicked = speech.perturb_speech(np.full(n, 0.1, np.float32), config, "a", 1)
    assert len(clicked) > 0
    assert np.isfinite(clicked).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"snr_db": 5, "typos": 0.1}, "found both; write two nodes"),
        ({"noise_file": "x.wav"}, "expected snr_db with it"),
        ({"min_hz": 3000, "max_hz": 2000}, "expected less than max_hz 2000"),
    ],
)
def test_settings_that_contradict_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PerturbationConfig.model_validate(wrong)
