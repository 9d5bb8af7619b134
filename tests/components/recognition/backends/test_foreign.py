"""A package adds a recognizer backend with one file and one entry."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from components import audio
from components.recognition import backends, checks, factory
from components.recognition.backend_choice import infer_backend
from components.recognition.config import RecognitionConfig
from components.records import Utterance

MODULE = """
from components.recognition.backends.windowed import WindowedBackend
from components.recognition.windowed.decoder import WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder


class EchoDecoder(NBestDecoder):
    def __init__(self, word):
        self._word = word

    def decode(self, windows):
        texts = [" ".join([self._word] * round(len(window.samples) / 16000)) for window in windows]
        return [[WindowHypothesis(text=text, score=-1.0, rank=-1.0)] for text in texts]


class Echo(WindowedBackend):
    reads = "an Echo model"
    architectures = ("echofor",)
    version = "1"

    def load(self, checkpoint, config, device):
        return checkpoint.architecture

    def build_decoder(self, config, loaded, checkpoint):
        return EchoDecoder(loaded.removeprefix("EchoFor"))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution as pip leaves it, in what is as good as a new process."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "echo_asr.py").write_text(MODULE)
    info = tmp_path / "echo_asr-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-asr\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[antiphon.recognizers]\necho = echo_asr:Echo\n")
    registries = (backends.BACKENDS, RecognitionConfig.model_fields["backend"].metadata[0]._extensions)
    for registry in registries:
        registry.__dict__.pop("_entries", None)
    yield
    for registry in registries:
        registry.__dict__.pop("_entries", None)
        registry._loaded.pop("echo", None)
    sys.modules.pop("echo_asr", None)


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["EchoForWuff"]}))
    header = b"{}"
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return str(folder)


@pytest.mark.usefixtures("package")
def test_its_models_are_known_and_recognized(model: str, tmp_path: Path) -> None:
    assert infer_backend(model, None) == "echo"
    config = RecognitionConfig(model=model, vad=False)
    checks.check(config, None)
    checks.validate_model(config, None)
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32), 16000)
    utterance = Utterance(id="a", audio=audio.describe(path), source_language="de")
    (outcome,) = factory.build(config).recognize([utterance])
    assert (outcome.best.text, outcome.best.system) == ("Wuff Wuff", f"{model}/echo")


@pytest.mark.usefixtures("package")
def test_it_is_a_choice_of_forms() -> None:
    assert "echo" in RecognitionConfig.model_json_schema()["properties"]["backend"]["enum"]
    assert RecognitionConfig(backend="echo").backend == "echo"
    with pytest.raises(ValidationError, match="did you mean echo"):
        RecognitionConfig(backend="echoo")
