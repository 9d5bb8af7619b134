"""The onnx-asr backend over the library itself, with a model that is written in the test."""

from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from components import audio
from components.compute.model_cache import measure_bytes
from components.errors import ConfigError, ModelError
from components.models import resolve
from components.recognition import checks
from components.recognition.backends.onnx_asr import source as onnx_folder
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build, load_resident
from components.records import Utterance
from tests.components.recognition.tiny_onnx import TOKENS, save

onnx_asr = pytest.importorskip("onnx_asr")


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(80, len(TOKENS))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weight: np.ndarray) -> Path:
    return save(tmp_path_factory.mktemp("onnx") / "model", weight)


def settings(folder: Path, **values: object) -> RecognitionConfig:
    return RecognitionConfig.model_validate(
        {"model": f"onnx:{folder}", "backend": "onnx-asr", "device": "cpu", "vad": False, **values}
    )


def test_texts_times_and_scores_are_those_of_its_frames(
    folder: Path, utterances: list[Utterance], weight: np.ndarray
) -> None:
    config = settings(folder, word_times=True)
    checks.check(config, None)
    checks.validate_model(config, None)
    from onnx_asr.preprocessors.numpy_preprocessor import NemoPreprocessorNumpy

    for utterance, outcome in zip(utterances, build(config).recognize(utterances), strict=True):
        samples = audio.decode(utterance.audio)[None]
        features, lengths = NemoPreprocessorNumpy("nemo80")(samples, np.array([samples.shape[1]]))
        scores = features[0].T[: int(lengths[0])] @ weight
        log_probs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        best = log_probs.argmax(axis=1)
        groups = [(token, [i for i, _ in group]) for token, group in groupby(enumerate(best), lambda x: x[1])]
        kept = [(token, frames) for token, frames in groups if TOKENS[token] != "<blk>"]
        assert outcome.best.text == "".join(TOKENS[t] for t, _ in kept).replace("\u2581", " ").strip()
        assert len(kept) > 20
        assert len(outcome.best.tokens) == len(kept)
        words = outcome.best.segments[0].words
        assert "".join(word.text for word in words).strip() == outcome.best.text
        assert words[0].start == pytest.approx(kept[0][1][0] * 0.01, abs=0.011)
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(words))
        expected = [log_probs[frames, token].max() for token, frames in kept]
        assert max(t.log_prob for t in outcome.best.tokens) == pytest.approx(max(expected), abs=0.05)


def test_a_model_counts_in_the_cache_as_many_bytes_as_its_files_have(folder: Path) -> None:
    config = settings(folder)
    loaded = load_resident(resolve(config.model), config)
    assert measure_bytes(loaded) == {"cpu": (folder / "model.onnx").stat().st_size}


def test_a_folder_that_is_no_model_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected the path of a model folder, found none there"):
        checks.check(settings(tmp_path / "nowhere"), None)
    with pytest.raises(ModelError, match=r"expected a folder with config\.json, found none in it"):
        checks.check(settings(tmp_path), None)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="expected model_type, as nemo-conformer-tdt"):
        checks.check(settings(tmp_path), None)
    (tmp_path / "config.json").write_text('{"model_type": "nemo-conformer-rnnt"}')
    with pytest.raises(ModelError, match=r"onnx-asr cannot load .*encoder-model\.onnx"):
        build(settings(tmp_path))
    with pytest.raises(ConfigError, match="dtype: expected float32 or int8 with onnx-asr, found bfloat16"):
        build(settings(folder, dtype="bfloat16"))


def test_without_the_extra_its_install_command_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.errors.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"expects the extra 'onnx-asr', .* pip install 'antiphon\[onnx-asr"
    ):
        checks.check(settings(folder), None)
    with pytest.raises(
        ConfigError, match=r"expects the extra 'onnx-asr', .* pip install 'antiphon\[onnx-asr"
    ):
        onnx_folder.onnx_model("anything")
