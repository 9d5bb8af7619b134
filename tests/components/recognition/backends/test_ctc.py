"""The ctc backend against the library's own decoding, at tiny random weights."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

from components import audio
from components.decoding.ctc.forward import LogProbs
from components.errors import ConfigError, ModelError
from components.recognition import checks
from components.recognition.backends.ctc.model import TransformersCtcModel
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import Outcome, Utterance
from tests.components.recognition.ctc_models import FAMILIES, save


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def recognize(folder: Path, utterances: list[Utterance], **settings: object) -> list[Outcome]:
    config = RecognitionConfig.model_validate({"model": str(folder), **settings})
    checks.check(config, None)
    checks.validate_model(config, None)
    return build(config).recognize(utterances)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_texts_are_the_librarys(
    family: str, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    folder = folders[family]
    extractor, tokenizer = (c.from_pretrained(folder) for c in (AutoFeatureExtractor, AutoTokenizer))
    model = AutoModelForCTC.from_pretrained(folder).eval()
    outcomes = recognize(folder, utterances, beam_size=1, n_best=1)
    for utterance, outcome in zip(utterances, outcomes, strict=True):
        samples = audio.decode(utterance.audio)
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            ids = model(**features).logits.argmax(-1)
        text = tokenizer.batch_decode(ids)[0]
        assert outcome.best.text == re.sub("</?s>|<unk>", "", text).strip()
        assert len(outcome.best.text) > 5


def test_a_frame_of_padding_is_no_frame_of_the_recording(folders: dict[str, Path]) -> None:
    """Parakeet's extractor pads; what its encoder makes of that alone is masked in its own ``generate``."""
    folder = folders["Parakeet"]
    extractor, tokenizer = (c.from_pretrained(folder) for c in (AutoFeatureExtractor, AutoTokenizer))
    model = AutoModelForCTC.from_pretrained(folder).eval()
    ready = TransformersCtcModel(model, tokenizer, extractor, "parakeet")
    for n in (8 * 1280, 8 * 1280 + 200):
        samples = np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32)
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            expected = model.generate(**features)[0].tolist()
        labels = ready.score_frames(samples).argmax(-1).tolist()
        assert labels == expected[: len(labels)]
        assert set(expected[len(labels) :]) <= {model.config.pad_token_id}
        assert len(labels) == -(-(n // 160) // 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_lists_have_scores_tokens_and_word_times(
    family: str, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    (outcome,) = recognize(folders[family], utterances[:1], beam_size=8, n_best=4, word_times=True)
    assert len({h.text for h in outcome.hypotheses}) == len(outcome.hypotheses) == 4
    scores = [h.score for h in outcome.hypotheses]
    assert scores == sorted(scores, reverse=True)
    for hypothesis in outcome.hypotheses:
        assert "".join(t.piece for t in hypothesis.tokens).strip() == hypothesis.text
        assert hypothesis.score == pytest.approx(math.fsum(t.log_prob for t in hypothesis.tokens))
        assert hypothesis.n_tokens == len(hypothesis.tokens)
    (segment,) = outcome.best.segments
    assert "".join(word.text for word in segment.words).split() == outcome.best.text.split()
    times = [t for word in segment.words for t in (word.start, word.end)]
    assert times == sorted(times)
    assert (segment.start, segment.end) == (times[0], times[-1])
    assert times[-1] <= utterances[0].audio.seconds + 0.02
    (greedy,) = recognize(folders[family], utterances[:1], beam_size=1, n_best=1)
    assert greedy.best.score <= outcome.best.score


def test_long_audio_is_cut_at_its_pauses_and_silence_is_no_words(
    folders: dict[str, Path], utterances: list[Utterance], tmp_path: Path
) -> None:
    import soundfile

    samples = np.concatenate([audio.decode(u.audio) for u in utterances if u.audio] * 6)
    soundfile.write(tmp_path / "long.flac", samples, 16_000)
    soundfile.write(tmp_path / "silence.flac", np.zeros(16_000), 16_000)
    rows = [
        Utterance(id=name, audio=audio.describe(tmp_path / f"{name}.flac"), source_language="en")
        for name in ("long", "silence")
    ]
    long, silence = recognize(folders["Wav2Vec2"], rows, beam_size=2, n_best=2)
    assert len(long.best.segments) == long.best.features["windows"] > 1
    assert long.best.text == " ".join(segment.text for segment in long.best.segments)
    assert len(long.hypotheses) == 2
    assert (silence.best.text, silence.best.features["silence"]) == ("", 1.0)


def test_the_same_alone_and_in_a_batch(folders: dict[str, Path], utterances: list[Utterance]) -> None:
    both = recognize(folders["WavLM"], utterances, beam_size=4)
    assert both == [o for u in utterances for o in recognize(folders["WavLM"], [u], beam_size=4)]


def test_text_is_quarantined(folders: dict[str, Path]) -> None:
    (outcome,) = recognize(folders["Hubert"], [Utterance(id="a", text="x", source_language="en")])
    assert outcome.reason == "no audio"


def test_a_checkpoint_without_the_vector_of_masked_frames_loads(
    folders: dict[str, Path], utterances: list[Utterance], tmp_path: Path
) -> None:
    """As the hub's Wav2Vec2 checkpoints that were fine-tuned."""
    for path in folders["Wav2Vec2"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["wav2vec2.masked_spec_embed"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    expected = recognize(folders["Wav2Vec2"], utterances[:1])[0]
    (outcome,) = recognize(tmp_path, utterances[:1])
    assert outcome.best.text == expected.best.text
    del tensors["lm_head.bias"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"expected tensor lm_head\.bias, found none"):
        recognize(tmp_path, utterances[:1])


def test_a_model_without_its_feature_extractor_is_refused(
    folders: dict[str, Path], utterances: list[Utterance], tmp_path: Path
) -> None:
    for path in folders["Wav2Vec2"].iterdir():
        if not path.name.endswith("processor_config.json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match=r"expected a feature extractor \(preprocessor_config.json\)"):
        recognize(tmp_path, utterances[:1])


def test_a_recording_without_finite_scores_is_quarantined_and_others_are_not(
    folders: dict[str, Path], utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    score_frames = TransformersCtcModel.score_frames
    first = utterances[0].audio
    length = len(audio.decode(first))

    def fail(self: TransformersCtcModel, samples: audio.Samples) -> LogProbs:
        return score_frames(self, samples) * (np.nan if len(samples) == length else 1.0)

    expected = recognize(folders["Hubert"], utterances)
    monkeypatch.setattr(TransformersCtcModel, "score_frames", fail)
    for rows in (utterances, utterances[:1]):
        bad, *others = recognize(folders["Hubert"], rows)
        assert (bad.reason, bad.stage) == ("no finite scores", "asr")
        assert bad.detail.endswith("listen to this recording")
        assert others == expected[1 : len(rows)]


def test_it_does_not_translate(folders: dict[str, Path]) -> None:
    config = RecognitionConfig(model=str(folders["Hubert"]))
    with pytest.raises(ConfigError, match="backend: ctc only transcribes, found task 'translate'"):
        build(config, task="translate")
