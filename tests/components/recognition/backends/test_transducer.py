"""The transducer backend against the library's own ``generate`` and timestamps, at tiny random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components import audio
from components.errors import ConfigError
from components.recognition.backends.transducer.backend import ARCHITECTURES
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance
from tests.components.recognition.speech_models import TRANSDUCERS, save


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save(family, tmp_path_factory.mktemp(family)) for family in TRANSDUCERS}


def recognize(folder: Path, utterances: list[Utterance], **settings: object) -> list[NBest]:
    config = RecognitionConfig.model_validate(
        {"model": str(folder), "word_times": True, "vad": False, **settings}
    )
    outcomes = build(config).recognize(utterances)
    return [outcome for outcome in outcomes if isinstance(outcome, NBest)]


def generate(family: str, folder: Path, utterance: Utterance) -> tuple[str, list[dict[str, Any]]]:
    """Text and tokens with times, as the library has them."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = getattr(transformers, f"ParakeetFor{family.removeprefix('Parakeet')}").from_pretrained(folder)
    inputs = processor(audio.decode(utterance.audio), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        output = model.eval().generate(**inputs, max_new_tokens=500)
    texts, times = processor.decode(output.sequences, durations=output.durations, skip_special_tokens=True)
    return texts[0], times[0]


@pytest.mark.parametrize("family", TRANSDUCERS)
def test_greedy_texts_and_times_are_the_librarys(
    family: str, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    for utterance, nbest in zip(utterances, recognize(folders[family], utterances, beam_size=1), strict=True):
        text, tokens = generate(family, folders[family], utterance)
        assert nbest.best.text == text
        assert len(text) > 10
        words = nbest.best.segments[0].words
        assert "".join(word.text for word in words).strip() == text
        spoken = [token for token in tokens if token["token"].strip().isalnum()]
        starts, ends = [token["start"] for token in spoken], [token["end"] for token in spoken]
        for word in words:
            assert min(abs(word.start - start) for start in starts) < 1e-6
            assert min(abs(word.end - end) for end in [*ends, nbest.best.segments[0].end]) < 1e-6


@pytest.mark.parametrize("family", TRANSDUCERS)
def test_beam_search_finds_likelier_texts(
    family: str, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    (greedy,) = recognize(folders[family], utterances[:1], beam_size=1)
    (nbest,) = recognize(folders[family], utterances[:1], beam_size=4, n_best=3)
    scores = [hypothesis.score for hypothesis in nbest.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert len({hypothesis.text for hypothesis in nbest.hypotheses}) == len(scores) == 3
    assert greedy.best.score < scores[0]
    for hypothesis in nbest.hypotheses:
        assert hypothesis.score == pytest.approx(sum(token.log_prob for token in hypothesis.tokens))
        assert "".join(token.piece for token in hypothesis.tokens).strip() == hypothesis.text


def test_it_does_not_translate(folders: dict[str, Path]) -> None:
    config = RecognitionConfig(model=str(folders["ParakeetTDT"]))
    with pytest.raises(ConfigError, match="backend: transducer only transcribes, found task 'translate'"):
        build(config, task="translate")


def test_every_architecture_is_tried() -> None:
    assert {f"ParakeetFor{name.removeprefix('Parakeet')}" for name in TRANSDUCERS} == set(ARCHITECTURES)
