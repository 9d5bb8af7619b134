"""Which translator a configuration is, and what a model refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.decoding.models.causal import CausalModel
from components.errors import ConfigError
from components.records import Checkpoint
from components.translation import factory
from components.translation.backends import backend_for
from components.translation.config import Context, TranslationConfig
from components.translation.context.context import ContextTranslator
from tests.components.decoding.tiny_models import llama

from .tokenizers import characters


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The model that is loaded, whatever is asked for."""
    path = str(tmp_path_factory.mktemp("model"))
    checkpoint = Checkpoint(reference="tiny", path=path, sha256="0" * 64, architecture="LlamaForCausalLM")
    tokenizer = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True)
    values: dict[str, Any] = {"model": SimpleNamespace()}
    monkeypatch.setattr(factory, "resolve", lambda *_: checkpoint)
    monkeypatch.setattr(factory, "load_resident", lambda *_: (checkpoint, values["model"], tokenizer))
    values["causal"] = CausalModel(llama(vocabulary=len(tokenizer), positions=2048), "digest", "tiny")
    return values


def test_context_makes_a_translator_of_documents(loaded: dict[str, Any]) -> None:
    config = TranslationConfig(model="tiny", context=Context())
    loaded["model"] = loaded["causal"]
    assert isinstance(factory.build(config), ContextTranslator)
    assert not isinstance(factory.build(TranslationConfig(model="tiny")), ContextTranslator)


def test_eight_bit_weights_are_for_the_cpu_only() -> None:
    checkpoint = Checkpoint(reference="tiny", path="/x", sha256="0" * 64, architecture="MarianMTModel")
    with pytest.raises(
        ConfigError, match="expected dtype float32, bfloat16 or float16 on cuda:0, found int8"
    ):
        backend_for(checkpoint.architecture).load(checkpoint, "cuda:0", "int8")
