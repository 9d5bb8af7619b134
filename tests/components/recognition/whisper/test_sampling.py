"""Samples of recognizers: drawn once, joined by their numbers, kept when equal, refused beside a beam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.recognition import checks
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.nbest import build_nbest
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.records import NBest
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import (
    CHECKPOINT,
    scripted_recognizer,
    scripted_result,
    utterance,
)
from tests.components.recognition.whisper.test_nbest import TOKENIZER, candidate, window

SAMPLING = {"count": 3, "temperature": 0.5, "epsilon": 0.01}


def test_the_n_th_samples_of_all_windows_are_one_text() -> None:
    drawn = [
        window(30.0 * w, *(replace(candidate(f" w{w} s{n}.", rank), draw=n) for n, rank in row))
        for w, row in enumerate([[(1, -0.1), (0, -0.4), (2, -0.9)], [(0, -0.2), (2, -0.3), (1, -2.0)]])
    ]
    texts = [h.text for h in build_nbest(drawn, TOKENIZER, "s", None)]
    assert texts == ["w0 s0. w1 s0.", "w0 s2. w1 s2.", "w0 s1. w1 s1."]


def test_equal_samples_are_kept_and_silence_is_one_text() -> None:
    twice = window(0, *(replace(candidate(" Yes.", -0.1), draw=n) for n in range(3)))
    assert [h.text for h in build_nbest([twice], TOKENIZER, "s", None)] == ["Yes."] * 3
    assert [h.text for h in build_nbest([], TOKENIZER, "s", None)] == [""]


def test_samples_are_drawn_once_at_their_temperature(tmp_path: Path) -> None:
    bad = scripted_result(" no " * 60)  # would be decoded again by a search
    machine, backend = scripted_recognizer({0.5: bad}, sampling=SAMPLING)
    (outcome,) = machine.recognize([utterance(tmp_path, "loop", 3)])
    assert outcome.best.features["temperature"] == 0.5
    assert [temperature for temperature, *_ in backend.calls] == [0.5]


def test_batches_shrink_with_the_number_of_samples(tmp_path: Path) -> None:
    recordings = [utterance(tmp_path, f"u{n}", 1) for n in range(5)]
    machine, backend = scripted_recognizer(sampling={"count": 20}, batch_size=8)
    machine.recognize(recordings)
    assert max(backend.batches) == 2  # 2 windows x 20 samples = 8 windows x 5 rows of a beam


def test_samples_of_a_whisper_depend_on_seed_and_utterance_and_not_on_the_batch(tmp_path: Path) -> None:
    def recognize(*recordings: Any, seed: int = 0) -> list[list[str]]:
        settings = {"sampling": SAMPLING, "max_tokens": 6, "entropies": True, "vad": False}
        config = RecognitionConfig.model_validate(settings)
        machine = WhisperRecognizer(config, OpenAIWhisperBackend(tiny()), CHECKPOINT, seed=seed)
        outcomes = machine.recognize(recordings)
        for outcome in outcomes:
            assert all(token.entropy is not None for h in outcome.hypotheses for token in h.tokens)
        return [[h.text for h in outcome.hypotheses] for outcome in outcomes if isinstance(outcome, NBest)]

    one, two = (utterance(tmp_path, name, 1.5) for name in ("one", "two"))
    together = recognize(one, two)
    assert [len(texts) for texts in together] == [3, 3]
    assert together == [*recognize(one), *recognize(two)]
    assert together != recognize(one, two, seed=1)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"beam_size": 1, "n_best": 1}, "sampling: expected no beam_size, n_best beside it"),
        ({"temperature_fallback": (0.0,)}, "sampling: expected no temperature_fallback beside it"),
        ({"word_times": True}, "sampling: expected no word_times beside it"),
        ({"condition_on_previous_text": True}, "sampling: expected no condition_on_previous_text"),
        ({"sampling": {"dropout": True}}, "sampling: expected no dropout"),
    ],
)
def test_what_samples_would_ignore_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RecognitionConfig.model_validate({"sampling": SAMPLING, **settings})


@pytest.mark.parametrize("setting", [{"sampling": SAMPLING}, {"entropies": True}])
def test_backends_that_decode_by_themselves_are_refused(setting: dict[str, Any]) -> None:
    config = RecognitionConfig.model_validate({**setting, "backend": "pocketsphinx", "model": "sphinx:en-us"})
    with pytest.raises(ConfigError, match="expected backend transformers or whisper, found pocketsphinx"):
        checks.check(config, None)


def test_the_settings_are_in_the_key_once_they_are_set() -> None:
    assert not RecognitionConfig().settings_for_key(set()).keys() & {"sampling", "entropies"}
    config = RecognitionConfig.model_validate({"sampling": SAMPLING, "entropies": True})
    assert config.settings_for_key(set())["sampling"]["epsilon"] == 0.01


@pytest.mark.parametrize(("language", "keeps"), [("und", True), ("und", False), ("de", True)])
def test_the_probability_of_a_detected_language_is_kept_on_request(
    language: str, keeps: bool, tmp_path: Path
) -> None:
    machine, _ = scripted_recognizer(entropies=keeps)
    (outcome,) = machine.recognize([utterance(tmp_path, "u", 1, language=language)])
    expected = 0.75 if keeps and language == "und" else None
    assert outcome.best.features.get("language_probability") == expected
