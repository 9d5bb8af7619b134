"""Whisper with a draft model: the windows' texts are those without, and what does not fit is refused."""

from __future__ import annotations

import pytest
import torch

from components.decoding.config import SearchConfig
from components.ensembling.token_level.whisper_ensemble import WhisperEnsemble
from components.errors import ConfigError
from components.recognition import checks
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import DecodingRequest
from components.recognition.whisper.drafted import DraftedWhisper
from tests.components.recognition.tiny import mels, tiny

PROMPTS = torch.tensor([[50258, 50259, 50359], [50258, 50261, 50359]])


@pytest.fixture(scope="module")
def backends() -> list[OpenAIWhisperBackend]:
    return [OpenAIWhisperBackend(tiny(seed)) for seed in (0, 1, 2)]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_windows_read_as_without_a_draft(
    backends: list[OpenAIWhisperBackend], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One model, and an ensemble; greedy with times of words, and samples, which no draft proposes."""
    build, asked = backends[2].build_scorer, list[int]()
    monkeypatch.setattr(backends[2], "build_scorer", lambda *args: asked.append(1) or build(*args))
    config = SearchConfig(beam_size=1, max_new_tokens=8, temperature=temperature)
    for target in (backends[0], WhisperEnsemble(dict(zip("ab", backends, strict=False)), "linear")):
        drafted = DraftedWhisper(target, backends[2], 3, "draft")
        request = DecodingRequest(PROMPTS, config, True, [0, 1], [3000, 3000])
        with torch.inference_mode():
            features, expected_features = drafted.encode(mels(2))[[0, 1]], target.encode(mels(2))
            assert drafted.detect_languages(features) == target.detect_languages(expected_features)
            expected = target.decode(expected_features, request)
            for found, wanted in zip(drafted.decode(features, request), expected, strict=True):
                assert found.candidates[0].tokens == wanted.candidates[0].tokens
                assert found.candidates[0].score == pytest.approx(wanted.candidates[0].score, abs=1e-3)
                assert found.no_speech == wanted.no_speech
                assert found.alignment.times == wanted.alignment.times
    assert len(asked) == (2 if temperature == 0 else 0)


def test_a_recognizer_of_another_vocabulary_proposes_nothing(backends: list[OpenAIWhisperBackend]) -> None:
    english = OpenAIWhisperBackend(tiny(0, n_vocab=51864))
    with pytest.raises(ConfigError, match=r"draft: expected the vocabulary of .*found tiny.en \(51864"):
        DraftedWhisper(backends[0], english, 4, "tiny.en")


def test_settings_that_cannot_be_drafted_are_refused() -> None:
    with pytest.raises(ValueError, match="draft: expected greedy search, found beam_size 5"):
        RecognitionConfig(draft="packaged:whisper-tiny.en")
    with pytest.raises(ValueError, match="draft_tokens: expected a draft model, found 8 without"):
        RecognitionConfig(beam_size=1, draft_tokens=8)
    guided = {"draft": "packaged:whisper-tiny.en", "beam_size": 1, "language_model": {"model": "words.arpa"}}
    with pytest.raises(ValueError, match="expected a search without terms, ctc and language_model"):
        RecognitionConfig.model_validate(guided)
    config = RecognitionConfig(draft="packaged:whisper-tiny.en", beam_size=1, backend="transformers")
    with pytest.raises(ConfigError, match="draft: expected backend whisper, found transformers"):
        checks.check(config, None)
    config = RecognitionConfig(draft="packaged:whisper-tiny.en", beam_size=1)
    with pytest.raises(
        ConfigError, match="draft: expected a model of the 51865 tokens of packaged:whisper-base"
    ):
        checks.validate_model(config, None)
