"""CTC heads: what is learned from two sounds comes back from the recognizer of the model folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.errors import ConfigError, DataError, ModelError
from components.networks.ctc_head import CtcHead
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance
from components.stacking.config import SpeechConfig
from components.stacking.encoder_states import write_states
from components.stacking.speech_encoder import SpeechEncoder
from components.stacking.training.ctc import SpokenData, train_ctc_head
from components.training.ctc_config import CtcTrainingConfig
from tests.components.stacking import tiny

SETTINGS = CtcTrainingConfig(
    steps=300, eval_every=100, warmup_steps=5, learning_rate=0.01, hidden=16, kernel=3, dropout=0.0
)


def spoken(folder: Path, whisper: Path, pooling: int = 1) -> SpokenData:
    """Two tones with different texts, and their states."""
    utterances = [
        tiny.tone(folder / f"{name}.wav", hertz).model_copy(update={"transcript": text})
        for name, hertz, text in (("low", 200, "A Bee!"), ("high", 3000, "see"))
    ]
    encoder = SpeechConfig(model=str(whisper), window_seconds=1, pooling=pooling)
    write_states(SpeechEncoder(encoder, device="cpu"), utterances, folder / f"states-{pooling}")
    return SpokenData(utterances, folder / f"states-{pooling}", encoder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ctc")


@pytest.fixture(scope="module")
def trained(folder: Path, whisper_folder: Path) -> SpokenData:
    data = spoken(folder, whisper_folder)
    product = train_ctc_head(folder, SETTINGS, data, data, None, lambda percent: None)
    assert "model/model.safetensors" in product.files
    return data


def recognizer_settings(folder: Path) -> RecognitionConfig:
    return RecognitionConfig(model=str(folder / "model"), backend="ctc", vad=False, n_best=2, beam_size=4)


def test_what_was_learned_is_recognized(folder: Path, trained: SpokenData) -> None:
    outcomes = build(recognizer_settings(folder)).recognize(trained.utterances)
    assert all(isinstance(outcome, NBest) for outcome in outcomes)
    assert [o.best.text for o in outcomes if isinstance(o, NBest)] == ["a bee", "see"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [100, 200, 300]
    assert rows[-1]["dev_word_accuracy"] == 100.0


def test_it_computes_in_float32_only(folder: Path, trained: SpokenData) -> None:
    settings = recognizer_settings(folder).model_copy(update={"dtype": "int8"})
    with pytest.raises(ConfigError, match="dtype: a model of train_ctc computes in float32, found int8"):
        build(settings)


def test_a_head_knows_the_language_it_learned(folder: Path, trained: SpokenData) -> None:
    german = trained.utterances[0].model_copy(update={"source_language": "de"})
    (outcome,) = build(recognizer_settings(folder)).recognize([german])
    assert outcome.detail.endswith("knows en only, found 'de'")


def test_frames_are_the_same_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    head = CtcHead(width=8, hidden=6, kernel=5, n_tokens=4).eval()
    states = torch.randn(1, 7, 8)
    padded = torch.cat([states, torch.randn(1, 5, 8)], 1)
    mask = torch.arange(12)[None] < 7
    alone = head(states, torch.ones(1, 7, dtype=torch.bool))
    torch.testing.assert_close(head(padded, mask)[:, :7], alone)
    torch.testing.assert_close(alone.exp().sum(-1), torch.ones(1, 7))


def test_states_of_different_settings_are_refused(
    tmp_path: Path, whisper_folder: Path, trained: SpokenData
) -> None:
    other = spoken(tmp_path, whisper_folder, pooling=2)
    with pytest.raises(ConfigError, match="dev_states: expected states with the settings of the training"):
        train_ctc_head(tmp_path, SETTINGS, trained, other, None, lambda percent: None)


def test_data_without_transcripts_or_of_two_languages_are_refused(
    tmp_path: Path, trained: SpokenData
) -> None:
    def refuse(utterances: list[Utterance], message: str) -> None:
        data = trained._replace(utterances=utterances)
        with pytest.raises(DataError, match=message):
            train_ctc_head(tmp_path, SETTINGS, data, data, None, lambda percent: None)

    low, high = trained.utterances
    refuse([low.model_copy(update={"transcript": None})], "expected spoken utterances with transcripts")
    refuse([low, high.model_copy(update={"source_language": "de"})], "expected one language .*, found de, en")


def test_damaged_folders_are_refused_by_name(folder: Path, trained: SpokenData, tmp_path: Path) -> None:
    def copy() -> None:
        for path in (folder / "model").iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())

    config = RecognitionConfig(model=str(tmp_path), backend="ctc")
    copy()
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["head.output.bias"][0] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"tensor head\.output\.bias has 1 values that are not finite"):
        build(config)
    del tensors["head.output.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"expected tensor head\.output\.bias \[\d+\], found none"):
        build(config)
    copy()
    values = json.loads((tmp_path / "config.json").read_text())
    del values["head"]["characters"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match="expected the settings of a CTC head"):
        build(config)
