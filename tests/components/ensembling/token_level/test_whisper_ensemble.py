"""Whisper recognizers mixed token by token: the laws at tiny random weights, and what is refused."""

from __future__ import annotations

import pytest
import torch

from components.decoding.config import SearchConfig
from components.ensembling.token_level.whisper_ensemble import (
    RecognizerEnsembleConfig,
    WhisperEnsemble,
    build_recognizer,
)
from components.errors import ConfigError
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend
from components.recognition.whisper.backend import DecodingRequest, DecodingResult
from components.recognition.whisper.nbest import build_nbest
from components.recognition.whisper.windows.decoding_state import DecodedWhisperWindow
from tests.components.recognition.tiny import mels, tiny

pytestmark = pytest.mark.core

PROMPTS = torch.tensor([[50258, 50259, 50359], [50258, 50261, 50359]])


class Deaf(OpenAIWhisperBackend):
    """Fails whenever it is asked for anything but its shape and vocabulary."""

    def encode(self, mels: torch.Tensor) -> EncoderOutput:
        raise AssertionError("display_names")


@pytest.fixture(scope="module")
def engines() -> list[OpenAIWhisperBackend]:
    return [OpenAIWhisperBackend(tiny(seed)) for seed in (0, 1)]


def decode_windows(
    engine: OpenAIWhisperBackend | WhisperEnsemble, beam: int
) -> tuple[list[str], list[DecodingResult]]:
    features = engine.encode(mels(2))
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=5)
    languages = [language.code for language in engine.detect_languages(features)]
    return languages, engine.decode(features, DecodingRequest(PROMPTS, config, True, [0, 1]))  # type: ignore[arg-type]


def assert_same(
    result: tuple[list[str], list[DecodingResult]], expected: tuple[list[str], list[DecodingResult]]
) -> None:
    assert result[0] == expected[0]
    for one, two in zip(result[1], expected[1], strict=True):
        assert [c.tokens for c in one.candidates] == [c.tokens for c in two.candidates]
        assert [c.score for c in one.candidates] == pytest.approx([c.score for c in two.candidates], abs=1e-3)
        assert one.no_speech == pytest.approx(two.no_speech, abs=1e-6)


@pytest.mark.parametrize("beam", [1, 3])
def test_laws(engines: list[OpenAIWhisperBackend], beam: int) -> None:
    first, second = engines
    alone = decode_windows(first, beam)
    assert_same(decode_windows(WhisperEnsemble({"a": first}, "linear"), beam), alone)  # one member = itself
    for kind in ("linear", "log_linear"):  # copies = one
        assert_same(decode_windows(WhisperEnsemble({"a": first, "b": first}, kind), beam), alone)
        weights = WhisperEnsemble({"a": first, "deaf": Deaf(tiny(1))}, kind, (1.0, 0.0))
        assert_same(
            decode_windows(weights, beam), alone
        )  # weights (1, 0) = the first, the second is never called
        assert weights.names == ("a",)
    both = decode_windows(WhisperEnsemble({"a": first, "b": second}, "linear", (0.5, 0.5)), beam)
    swapped = decode_windows(WhisperEnsemble({"b": second, "a": first}, "linear"), beam)
    assert_same(both, swapped)
    assert [c.tokens for h in both[1] for c in h.candidates] != [
        c.tokens for h in alone[1] for c in h.candidates
    ]


def test_the_first_member_aligns_what_the_ensemble_says(engines: list[OpenAIWhisperBackend]) -> None:
    def decode(backend: OpenAIWhisperBackend | WhisperEnsemble) -> list[DecodingResult]:
        config = SearchConfig(beam_size=2, n_best=1, max_new_tokens=12)
        request = DecodingRequest(PROMPTS, config, True, [0, 1], [3000, 3000])
        return backend.decode(backend.encode(mels(2)), request)  # type: ignore[arg-type]

    alone = decode(engines[0])
    copies = decode(WhisperEnsemble({"a": engines[0], "b": engines[0]}, "linear"))
    for one, two in zip(alone, copies, strict=True):
        assert two.alignment.times == pytest.approx(one.alignment.times, abs=0.021)
        assert two.alignment.log_probs == pytest.approx(one.alignment.log_probs, abs=1e-3)


def test_every_token_says_who_chose_it(engines: list[OpenAIWhisperBackend]) -> None:
    ensemble = WhisperEnsemble(dict(zip("ab", engines, strict=True)), "linear", (0.3, 0.7))
    decoded = decode_windows(ensemble, 2)[1][0]
    window = DecodedWhisperWindow(0.0, 100, decoded.candidates, 0.0, 0.0, is_silence=False)
    tokenizer = ensemble.dims.get_tokenizer("en", "transcribe")
    for token in build_nbest([window], tokenizer, "tiny", 1, ensemble.names)[0].tokens:
        assert set(token.members) == {"a", "b"}
        assert token.weights == pytest.approx({"a": 0.3, "b": 0.7})


def test_what_cannot_be_mixed_is_refused(engines: list[OpenAIWhisperBackend]) -> None:
    english = OpenAIWhisperBackend(tiny(0, n_vocab=51864))
    with pytest.raises(
        ConfigError, match=r"one vocabulary.*found en \(51864 tokens\) beside a .*: output_level"
    ):
        WhisperEnsemble({"a": engines[0], "en": english}, "linear")
    with pytest.raises(ConfigError, match="2 weights, one per member, found 3"):
        WhisperEnsemble(dict(zip("ab", engines, strict=True)), "linear", (0.2, 0.3, 0.5))
    sphinx = RecognizerEnsembleConfig(members=("sphinx:en-us",), backend="pocketsphinx")
    with pytest.raises(ConfigError, match=r"backend whisper.*found pocketsphinx: combine their"):
        build_recognizer(sphinx)
