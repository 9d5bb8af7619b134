"""``model: auto``: the node gets a model for the languages it meets, or says in one line why not."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.models.sources import SOURCES
from components.pipeline.advice.auto_models import choose_models
from components.pipeline.advice.recommended_models import WHISPER
from components.pipeline.reader import read_pipeline

ASR = {"kind": "recognize", "model": "auto", "beam_size": 2, "n_best": 1}


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SOURCES["hub"], "has", lambda repository: False)


def test_each_node_gets_the_model_of_its_languages() -> None:
    nodes = {
        "asr": ASR,
        "en": {"kind": "translate", "of": "asr", "to": "en", "model": "auto", "beam_size": 3},
        "fr": {"kind": "translate", "of": "en", "model": "packaged:multi30k-en-de"},
    }
    pipeline, notes = choose_models(read_pipeline({"nodes": nodes}), frozenset({("de", "fr")}))
    settings = {node.name: node.settings.model_dump() for node in pipeline}
    assert settings["asr"]["model"] == WHISPER
    assert settings["asr"]["beam_size"] == 2
    chosen = {name: settings["en"][name] for name in ("model", "beam_size", "dtype")}
    assert chosen == {"model": "packaged:qwen2.5-coder-1.5b", "beam_size": 3, "dtype": "bfloat16"}
    assert settings["fr"]["model"] == "packaged:multi30k-en-de"
    assert [note.split(":")[0] for note in notes] == ["asr", "en"]


@pytest.mark.parametrize(
    ("pairs", "fault"),
    [
        (
            {("sw", "is")},
            "mt.model: expected a model that translates from Swahili into Icelandic, found none",
        ),
        ({("de", "en"), ("cs", "en")}, "mt.model: expected one model for all languages of the data, found"),
    ],
)
def test_what_no_model_does_is_refused(pairs: set[tuple[str, str]], fault: str) -> None:
    pipeline = read_pipeline({"nodes": {"mt": {"kind": "translate", "of": "data", "model": "auto"}}})
    with pytest.raises(ConfigError, match=fault):
        choose_models(pipeline, frozenset(pairs))
