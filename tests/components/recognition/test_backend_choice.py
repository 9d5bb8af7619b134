"""The backend is read off the model: by its scheme, else by the architecture of its configuration."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from components.ensembling.token_level.checks import check_recognizers
from components.errors import ConfigError
from components.models.adapters.config import ADAPTER_CONFIG
from components.models.sources import hub
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.stage_planning import complete_node
from components.recognition import backend_choice
from components.recognition.backend_choice import backend_of, infer_backend, with_backend
from components.recognition.backends import BACKENDS
from components.recognition.config import RecognitionConfig, RecognizerEnsembleConfig

READERS = ("ctc", "transducer", "seq2seq", "audio-lm")
ROWS = {
    **{name: import_module(type(BACKENDS[name]).__module__).ARCHITECTURES for name in READERS},
    "whisper": ("WhisperForConditionalGeneration", "MarianMTModel"),  # the last is refused as no Whisper
}


def model(folder: Path, architecture: str) -> str:
    """A folder with a configuration alone; nothing else is read."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    return str(folder)


@pytest.mark.parametrize(("backend", "names"), ROWS.items(), ids=list(ROWS))
def test_a_folder_has_the_backend_of_its_architecture(
    backend: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    assert [infer_backend(model(tmp_path, name), None) for name in names] == [backend] * len(names)


@pytest.mark.parametrize(
    ("reference", "backend"),
    [
        ("sphinx:en-us", "pocketsphinx"),
        ("served:whisper-large-v3", "served"),
        ("onnx:/models/parakeet", "onnx-asr"),
        ("packaged:whisper-tiny.en", "whisper"),
        ("whisper:small", "whisper"),
        ("packaged:whisper-base+/no/such/adapter", "whisper"),
        ("/no/such/folder", "whisper"),
        ("store:0123456789ab", "whisper"),
    ],
)
def test_a_scheme_that_one_library_reads_decides(reference: str, backend: str, tmp_path: Path) -> None:
    """What is not there is refused by the check of the model, which says why."""
    assert infer_backend(reference, str(tmp_path)) == backend


def test_an_adapter_has_the_backend_of_its_base(tmp_path: Path) -> None:
    base, adapter = model(tmp_path / "base", "HubertForCTC"), tmp_path / "adapter"
    adapter.mkdir()
    (adapter / ADAPTER_CONFIG).write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": base, "r": 2, "target_modules": ["q"]})
    )
    assert infer_backend(str(adapter), None) == infer_backend(f"{base}+0.5*{adapter}", None) == "ctc"


def test_a_model_of_the_hub_is_known_by_its_configuration_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def download(*names: str, **_: object) -> str:
        asked.append(names)
        return str(Path(model(tmp_path, "ParakeetForTDT")) / "config.json")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(hub, "hf_hub_download", download)
    assert infer_backend("hub:nvidia/parakeet-tdt-0.6b-v3", None) == "transducer"
    assert asked == [("nvidia/parakeet-tdt-0.6b-v3", "config.json")]


def test_what_is_set_counts_more(tmp_path: Path) -> None:
    config = RecognitionConfig(model=model(tmp_path, "WavLMForCTC"))
    assert with_backend(config).backend == "ctc"
    assert backend_of(config) is BACKENDS["ctc"]
    other = config.model_copy(update={"backend": "transformers"})
    assert with_backend(other) is other


def test_the_plan_has_what_was_found(tmp_path: Path) -> None:
    """Also of a model that another node of the pipeline makes, directly or from another one."""
    states = {"kind": "encode_speech", "pooling": 1}
    nodes: dict[str, Any] = {
        "dev": {"kind": "data", "source": "sample"},
        "states": {**states, "of": "data"},
        "dev_states": {**states, "of": "dev"},
        "head": {"kind": "train_ctc", "of": ["data", "dev"], "states": "states", "dev_states": "dev_states"},
        "tuned": {"kind": "train", "init_from": model(tmp_path / "hubert", "HubertForCTC")},
        "a": {"kind": "recognize", "model": "node:head"},
        "b": {"kind": "recognize", "model": "node:tuned"},
        "c": {"kind": "recognize", "model": model(tmp_path / "tdt", "ParakeetForTDT")},
        "d": {"kind": "recognize"},
        "e": {
            "kind": "translate_speech",
            "model": model(tmp_path / "moon", "MoonshineForConditionalGeneration"),
        },
    }
    pipeline = read_pipeline({"nodes": nodes})
    found = {}
    for name in "abcde":
        node = complete_node(pipeline, pipeline.nodes[name], None)
        found[name] = node.settings.backend
        context = pipeline.context_of(node, None, 0)
        assert node.kind.parameters(node.settings, context)["backend"] == found[name]
    assert found == {"a": "ctc", "b": "ctc", "c": "transducer", "d": "whisper", "e": "seq2seq"}


def test_a_graph_is_read_without_a_look_at_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: Any) -> str:
        raise AssertionError("looked at a model")

    monkeypatch.setattr(backend_choice, "find_architecture", look)
    for kind in ("recognize", "translate_speech"):
        pipeline = read_pipeline({"nodes": {"a": {"kind": kind, "model": "hub:some/model"}}})
        assert pipeline.nodes["a"].facts.models == {"model": "hub:some/model"}


def test_members_of_other_backends_are_not_mixed_token_by_token(tmp_path: Path) -> None:
    members = ("packaged:whisper-tiny.en", model(tmp_path, "Wav2Vec2ForCTC"))
    with pytest.raises(ConfigError, match="to mix recognizers token by token, found ctc: combine their fin"):
        check_recognizers(RecognizerEnsembleConfig(members=members), None)
