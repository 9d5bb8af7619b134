"""The table of backends says the same as the configuration, the model references and the checks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from components.errors import ConfigError, ModelError
from components.models.sources import SOURCES
from components.recognition import checks
from components.recognition.backends import BACKENDS
from components.recognition.backends.arithmetic import choose_arithmetic
from components.recognition.config import RecognitionConfig
from components.records import Checkpoint


def test_every_backend_is_a_choice_of_the_configuration() -> None:
    schema = RecognitionConfig.model_json_schema()["properties"]["backend"]
    assert schema["enum"] == ["auto", *BACKENDS]
    with pytest.raises(ValidationError, match="found 'whispr'; did you mean whisper"):
        RecognitionConfig.model_validate({"backend": "whispr"})


def test_rows_know_the_schemes_of_references() -> None:
    for backend in BACKENDS.values():
        assert set(backend.schemes) <= SOURCES.keys()
        assert bool(backend.module) == bool(backend.extra)


@pytest.mark.parametrize(
    ("backend", "model"), [("pocketsphinx", "packaged:whisper-base"), ("transformers", "sphinx:en-us")]
)
def test_a_reference_of_another_backend_is_refused_before_anything_is_fetched(
    backend: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.errors.find_spec", lambda name: name)
    monkeypatch.setattr(checks.models, "check", lambda *_, **__: pytest.fail("the model was looked for"))
    config = RecognitionConfig.model_validate({"backend": backend, "model": model})
    with pytest.raises(ConfigError, match=f"backend {backend}: expected .*, found {model}; leave"):
        checks.check(config, None)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_of_another_architecture_is_refused(name: str) -> None:
    marian = Checkpoint(reference="x", path="/nowhere", sha256="0" * 64, architecture="MarianMTModel")
    with pytest.raises(ConfigError, match=rf"backend {name}: expected .*, found x \(MarianMTModel\)"):
        checks.check_backend(name, marian)


def test_a_model_without_the_backends_own_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whisper = Checkpoint(reference="w", path=str(tmp_path), sha256="0" * 64, architecture="whisper")
    monkeypatch.setattr(checks.models, "resolve", lambda *_: whisper)
    config = RecognitionConfig(model="w", backend="faster-whisper")
    with pytest.raises(
        ModelError, match=r"w: backend faster-whisper expects CTranslate2 files .* found none"
    ):
        checks.validate_model(config, None)
    (tmp_path / "model.bin").touch()
    checks.validate_model(config, None)


def test_eight_bit_weights_are_for_the_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """faster-whisper's int8 is its own: it is not refused."""
    monkeypatch.setattr(checks, "resolve_device_name", lambda name: "cuda:0")
    monkeypatch.setattr("components.errors.find_spec", lambda name: name)
    monkeypatch.setattr(checks.models, "check", lambda *_, **__: None)
    checks.check(RecognitionConfig(dtype="int8", backend="faster-whisper"), None)
    refused = "dtype: int8 needs a CPU with oneDNN's int8 kernels, found cuda:0; use float32"
    with pytest.raises(ConfigError, match=refused):
        checks.check(RecognitionConfig(dtype="int8"), None)
    with pytest.raises(ConfigError, match=refused):
        choose_arithmetic(RecognitionConfig(dtype="int8"), torch.device("cuda:0"))


@pytest.mark.usefixtures("packed_layers")
def test_half_precision_on_a_cpu_is_not_packed() -> None:
    packed, loaded = choose_arithmetic(RecognitionConfig(dtype="float16"), torch.device("cpu"))
    assert (packed, loaded) == (None, torch.float16)
    packed, loaded = choose_arithmetic(RecognitionConfig(), torch.device("cpu"))
    assert (packed, loaded) == ("float32", torch.float32)


def test_the_page_of_recognizers_has_every_backend_and_architecture() -> None:
    page = (Path(__file__).parents[4] / "docs" / "families" / "recognizers.md").read_text(encoding="utf-8")
    modules = [import_module(type(row).__module__) for row in BACKENDS.values()]
    names = [*BACKENDS, *(name for module in modules for name in getattr(module, "ARCHITECTURES", ()))]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_a_model_of_no_known_family_says_so() -> None:
    kyutai = Checkpoint(
        reference="k",
        path="/n",
        sha256="0" * 64,
        architecture="KyutaiSpeechToTextForConditionalGeneration",
    )
    with pytest.raises(
        ConfigError, match=r"expected a Whisper model, found k .*none of the backends reads it"
    ):
        checks.check_backend("whisper", kyutai)


def test_word_times_of_a_backend_that_gives_none_are_refused() -> None:
    config = RecognitionConfig(model="hub:a/b", backend="seq2seq", word_times=True)
    with pytest.raises(ConfigError, match=r"word_times: expected backend ctc or .*, found seq2seq"):
        checks.check(config, None)


def test_a_model_that_another_backend_reads_says_which() -> None:
    wav2vec2 = Checkpoint(reference="w", path="/nowhere", sha256="0" * 64, architecture="Wav2Vec2ForCTC")
    with pytest.raises(ConfigError, match=r"found w \(Wav2Vec2ForCTC\); leave .*, or set backend: ctc$"):
        checks.check_backend("whisper", wav2vec2)
    whisper = Checkpoint(
        reference="w", path="/n", sha256="0" * 64, architecture="WhisperForConditionalGeneration"
    )
    with pytest.raises(ConfigError, match=r"backend ctc: expected a CTC model .* backend: whisper$"):
        checks.check_backend("ctc", whisper)
