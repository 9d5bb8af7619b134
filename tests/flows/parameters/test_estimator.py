"""The graph of the flow `estimator`: texts of models, or of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.errors import ConfigError
from components.pipeline.pipeline import Pipeline
from flows.registry import flow_named
from tests.components.export.example_run import new_store, write_run

ENTRY = flow_named("estimator")


def graph(**values: Any) -> Pipeline:
    return ENTRY.pipeline(ENTRY.parameters.model_validate(values))


def edges(nodes: Pipeline) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.kind.name, node.of) for node in nodes}


def test_texts_of_a_recognizer_or_of_a_translator() -> None:
    transcripts = graph(data="dev.jsonl", method="isotonic", targets=["word"])
    assert edges(transcripts) == {"asr": ("recognize", ("data",)), "estimator": ("fit_estimator", ("asr",))}
    settings = transcripts.nodes["estimator"].settings
    assert settings.model_dump(exclude_unset=False)["method"] == "isotonic"
    translations = graph(data="dev.jsonl", of="translation", target_language="de")
    assert edges(translations)["estimator"] == ("fit_estimator", ("mt",))


def test_texts_of_a_finished_run_with_what_they_were_translated_from(tmp_path: Path) -> None:
    run = write_run(new_store(tmp_path))
    store = {"store": str(tmp_path / "store"), "run": run.name}
    assert edges(graph(**store)) == {
        "asr": ("reuse", ("data",)),
        "mt": ("reuse", ("asr",)),
        "estimator": ("fit_estimator", ("mt",)),
    }
    only = graph(**store, node="asr")
    assert edges(only) == {"asr": ("reuse", ("data",)), "estimator": ("fit_estimator", ("asr",))}
    assert ENTRY.parameters.model_validate(store).source_run()  # type: ignore[attr-defined] == run
    with pytest.raises(ConfigError, match=r"node: .*gives texts, of asr, mt, found msr; did you mean asr"):
        graph(**store, node="msr")
    with pytest.raises(ConfigError, match="run: "):
        graph(**{**store, "run": "other"})


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "data: expected a development set with references"),
        ({"data": "dev.jsonl", "node": "asr"}, "node: expected run too"),
        ({"data": "dev.jsonl", "run": "a"}, "run: expected its own data"),
        ({"run": "a", "limit": 5}, "run: expected its own data"),
    ],
)
def test_where_texts_come_from_is_said_once(values: dict[str, Any], fault: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=fault):
        graph(**values)
