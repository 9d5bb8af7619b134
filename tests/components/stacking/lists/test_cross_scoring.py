"""The n-best lists of two systems under the scorers of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from components import audio
from components.errors import ConfigError, DataError
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.whisper.windows.features import compute_log_mel, cut_window
from components.records import Hypothesis, NBest, Utterance
from components.stacking.lists.cross_scoring import (
    ScoreTexts,
    WhisperTextScorer,
    build_text_scorer,
    fuse_nbests,
)
from tests.components.stacking import tiny

UTTERANCE = Utterance(id="u", text="ein hund", source_language="en")


def nbest(*texts: str, system: str) -> NBest:
    hypotheses = [Hypothesis(text=t, score=-1.0, n_tokens=1, system=system) for t in texts]
    return NBest(utterance_id="u", hypotheses=tuple(hypotheses))


LISTS = (nbest("rot", "blau", system="mt"), nbest("blau", "baum", system="st"))


def table(scores: dict[str, float]) -> ScoreTexts:
    def score(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        return [scores[text] for text in texts]

    return score


FIRST, SECOND = (
    table({"rot": -1.0, "blau": -2.0, "baum": -4.0}),
    table({"rot": -9.0, "blau": -2.0, "baum": -1.5}),
)


def refuses(utterance: Utterance, texts: Sequence[str]) -> list[float]:
    raise AssertionError("asked for nothing")


@pytest.mark.parametrize(
    ("weight", "order"), [(0.0, "rot blau baum"), (0.5, "blau baum rot"), (1.0, "baum blau rot")]
)
def test_the_order_is_the_weighted_sums(weight: float, order: str) -> None:
    scorers = (FIRST if weight < 1 else refuses, SECOND if weight > 0 else refuses)
    result = fuse_nbests(UTTERANCE, LISTS, scorers, weight)
    assert [h.text for h in result.hypotheses] == order.split()
    systems = {h.text: h.system for h in result.hypotheses}
    assert systems == {"rot": "mt", "blau": "mt", "baum": "st"}
    for h in result.hypotheses:
        a, b = h.features.get("first", 0.0), h.features.get("second", 0.0)
        assert h.features["fused"] == pytest.approx((1 - weight) * a + weight * b)


def test_weights_outside_and_empty_lists() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        fuse_nbests(UTTERANCE, LISTS, (FIRST, SECOND), 1.5)
    empty = nbest("", system="mt")
    assert fuse_nbests(UTTERANCE, (empty, empty), (refuses, refuses), 0.5) == empty


def test_a_text_scorer_is_the_models_mean_log_probability(text_folder: Path) -> None:
    result = build_text_scorer(str(text_folder), device="cpu")(UTTERANCE, ["rot katze", "baum"])
    model, tokenizer = load_transformers(resolve(str(text_folder)), "seq2seq")
    for text, value in zip(["rot katze", "baum"], result, strict=True):
        labels = tokenizer(text_target=text, return_tensors="pt").input_ids
        with torch.no_grad():
            loss = model(**tokenizer(UTTERANCE.text, return_tensors="pt"), labels=labels).loss
        assert value == pytest.approx(-float(loss), abs=1e-3)
    endless = UTTERANCE.model_copy(update={"text": "hund " * 300})
    with pytest.raises(DataError, match="a transcript of at most 512 tokens, found"):
        build_text_scorer(str(text_folder), device="cpu")(endless, ["baum"])


@torch.no_grad()
def test_whispers_scorer_is_openai_whispers_decoder(whisper_folder: Path, tmp_path: Path) -> None:
    utterance = tiny.tone(tmp_path / "t.wav", 440).model_copy(update={"source_language": "de"})
    model = load_whisper(resolve(str(whisper_folder)))
    result = WhisperTextScorer(model)(utterance, ["a dog", "two trees"])
    tokenizer = get_tokenizer(True, num_languages=99, language="de", task="translate")
    features = model.encoder(cut_window(compute_log_mel(audio.decode(utterance.audio)), 0)[None])
    prompt = list(tokenizer.sot_sequence_including_notimestamps)
    for text, value in zip(["a dog", "two trees"], result, strict=True):
        ids = [*tokenizer.encode(" " + text), tokenizer.eot]
        logits = model.decoder(torch.tensor([prompt + ids[:-1]]), features)[0, len(prompt) - 1 :]
        expected = -functional.cross_entropy(logits.float(), torch.tensor(ids))
        assert value == pytest.approx(float(expected), abs=1e-3)
    german = utterance.model_copy(update={"source_language": "deu"})
    assert WhisperTextScorer(model)(german, ["a dog", "two trees"]) == result
    with pytest.raises(ConfigError, match="expected speech in a language that Whisper knows, found 'gsw'"):
        WhisperTextScorer(model)(utterance.model_copy(update={"source_language": "gsw"}), ["a dog"])
    english = Whisper(replace(model.dims, n_vocab=51864))
    with pytest.raises(ConfigError, match=r"expected a multilingual Whisper .*, found an English-only one"):
        WhisperTextScorer(english)
    written = utterance.model_copy(update={"audio": None, "text": "x"})
    with pytest.raises(ConfigError, match="found none or more"):
        WhisperTextScorer(model)(written, ["a dog"])
