"""``model: auto``: the node gets a model for the languages it meets, or says in one line why not."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.models.sources import SOURCES
from components.pipeline.advice import recommended_models
from components.pipeline.advice.auto_models import AutoChoice, choose_models
from components.pipeline.advice.recommended_models import WHISPER
from components.pipeline.reading.reader import read_pipeline

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
    pipeline, notes = choose_models(read_pipeline({"nodes": nodes}), AutoChoice(frozenset({("de", "fr")})))
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
        ({("de", None), ("en", None)}, "mt: expected a target language, found none: set target_language"),
    ],
)
def test_what_no_model_does_is_refused(pairs: set[tuple[str, str | None]], fault: str) -> None:
    pipeline = read_pipeline({"nodes": {"mt": {"kind": "translate", "of": "data", "model": "auto"}}})
    with pytest.raises(ConfigError, match=fault):
        choose_models(pipeline, AutoChoice(frozenset(pairs)))


CASCADE = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr", "beam_size": 5}}
LOOP = {
    "kind": "loop",
    "of": "mt",
    "rounds": 2,
    "body": {"back": {"kind": "translate", "of": "all", "to": "en"}},
}
EN_DE = frozenset({("en", "de")})


def test_captions_get_the_model_of_captions_and_everything_else_one_for_general_texts() -> None:
    pipeline = read_pipeline({"nodes": {**CASCADE, "again": {"kind": "refine", "of": "mt"}}})
    for source, model, beam in [("sample", "multi30k-en-de", 5), ("mine.jsonl", "qwen2.5-coder-1.5b", 1)]:
        chosen, notes = choose_models(pipeline, AutoChoice(EN_DE, source))
        settings = chosen.nodes["mt"].settings.model_dump()
        assert (settings["model"], settings["beam_size"]) == (f"packaged:{model}", beam)
        assert len(notes) == 1
        part = choose_models(pipeline.subgraph_of("mt"), AutoChoice(EN_DE, source))[0]
        assert list(part.nodes) == ["asr", "mt"]  # until mt


def test_nodes_in_the_body_of_a_loop_get_theirs() -> None:
    nodes = {**CASCADE, "all": LOOP}
    chosen, _ = choose_models(read_pipeline({"nodes": nodes}), AutoChoice(EN_DE, "sample"))
    assert {
        n: node.models.get("model") for n, node in chosen.nodes.items() if node.kind.name == "translate"
    } == {
        "mt": "packaged:multi30k-en-de",
        "all-1-back": "packaged:qwen2.5-coder-1.5b",
        "all-2-back": "packaged:qwen2.5-coder-1.5b",
    }


def test_a_small_machine_is_not_given_a_model_of_another_domain_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = read_pipeline({"nodes": CASCADE})
    monkeypatch.setattr(recommended_models, "machine_memory", lambda: 2**32)
    chosen, _ = choose_models(pipeline, AutoChoice(EN_DE, "mine.jsonl"))
    assert chosen.nodes["mt"].models["model"] == "packaged:qwen2.5-coder-0.5b"
    general = [row for row in recommended_models.ROWS if "qwen" not in row.model and "gemma" not in row.model]
    monkeypatch.setattr(recommended_models, "ROWS", general)
    with pytest.raises(
        ConfigError, match=r"mt\.model: expected a model for general texts .*--anyway goes on"
    ):
        choose_models(pipeline, AutoChoice(EN_DE, "mine.jsonl"))
    chosen, notes = choose_models(pipeline, AutoChoice(EN_DE, "mine.jsonl", anyway=True))
    assert "nonsense on other texts" in notes[0]
