from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from components.pipeline.reading.reader import read_pipeline
from components.records import NBest, Route, Utterance
from components.run_record import StageRef
from tasks import artifacts
from tasks.execution.current_node import publish_node
from tests.reports.example_runs import nbest
from tests.reports.page.test_report_view import stage

GRAPH = read_pipeline(
    {
        "nodes": {
            "asr_1": {"kind": "recognize"},
            "doubt": {"kind": "route", "of": "asr_1", "by": "length", "above": 3},
            "mt": {"kind": "translate", "of": "asr_1", "when": "doubt.keep"},
            "fr": {"kind": "translate", "of": "asr_1", "to": "fr"},
        }
    }
)
DATA = Utterance(
    id="u",
    text="a dog",
    source_language="en",
    target_language="de",
    transcript="A dog.",
    references=("Ein Hund.",),
)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for kind in ("table", "markdown"):

        def create(*, key: str, description: str, _kind: str = kind, **values: Any) -> None:
            assert re.fullmatch(r"[a-z0-9-]+", key)  # as Prefect takes it
            assert len(description) < 45  # more is cut on the card
            result[key] = values[_kind]

        monkeypatch.setattr(artifacts, f"create_{kind}_artifact", create)
    return result


def of(folder: Path, name: str, *records: NBest | Route | Utterance) -> StageRef:
    return stage(folder, name, *records).model_copy(update={"items": len(records)})


def test_examples_show_source_output_and_reference_in_their_language(
    tmp_path: Path, published: dict[str, Any]
) -> None:
    data = of(tmp_path, "data", Utterance(id="other", text="x", source_language="en"), DATA)
    asr = of(tmp_path, "asr_1", nbest("u", ["a [dog]"], "s"))
    publish_node(GRAPH, GRAPH.nodes["asr_1"], asr, {"data": data}, None)
    publish_node(GRAPH, GRAPH.nodes["mt"], of(tmp_path, "mt", nbest("u", ["Hund"], "s")), {"data": data}, asr)
    publish_node(
        GRAPH, GRAPH.nodes["fr"], of(tmp_path, "fr", nbest("u", ["chien"], "s")), {"data": data}, asr
    )
    shown = {
        key: re.findall(r"^- (?:source|output|reference): (.*)$|^\*\*u\*\* (.*);", text, flags=re.MULTILINE)
        for key, text in published.items()
        if key.endswith("examples")
    }
    chrf, bleu = (
        score("Hund", ["Ein Hund."]).score for score in (sacrebleu.sentence_chrf, sacrebleu.sentence_bleu)
    )
    mt_scores = f"chrF {chrf:.1f}, BLEU {bleu:.1f}; log-probability -0.081"
    assert {key: [text or scores for text, scores in found] for key, found in shown.items()} == {
        "asr-1-examples": ["WER 50.0; log-probability -2.663", "a dog", "a \\[dog\\]", "A dog."],
        "mt-examples": [mt_scores, "a \\[dog\\]", "Hund", "Ein Hund."],
        "fr-examples": ["log-probability -0.081", "a \\[dog\\]", "chien"],
    }


def test_a_route_shows_how_many_went_each_way(tmp_path: Path, published: dict[str, Any]) -> None:
    routes = [Route(utterance_id=f"u{n}", branch="keep" if n else "escalate") for n in range(3)]
    publish_node(
        GRAPH, GRAPH.nodes["doubt"], of(tmp_path, "doubt", *routes), {"data": stage(tmp_path, "data")}, None
    )
    assert published["doubt-branches"] == [
        {"branch": "escalate", "utterances": 1},
        {"branch": "keep", "utterances": 2},
    ]


def test_a_text_reads_in_markdown_as_it_was_written() -> None:
    assert artifacts.escape_markdown("AT&amp;T <b>\x00 \u202egnp") == "AT\\&amp;T \\<b\\>⟨U+0000⟩ ⟨U+202E⟩gnp"
