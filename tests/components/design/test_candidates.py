"""Every template gives a graph that the reader takes."""

from __future__ import annotations

import re

import pytest

from components.design.candidates import licensed, list_candidates
from components.design.goal import Limits, ModelChoice
from components.design.models import list_models
from components.design.templates import TEMPLATES
from components.errors import ConfigError
from components.pipeline.reading.reader import read_pipeline

LM = (("beam_size", 1), ("n_best", 1))
MODELS = [
    ModelChoice("packaged:whisper-tiny.en", "recognize", licence="MIT"),
    ModelChoice("packaged:whisper-base", "recognize", licence="MIT"),
    ModelChoice("hub:openai/whisper-large-v3-turbo", "recognize"),
    ModelChoice("packaged:whisper-base", "translate_speech", licence="MIT"),
    ModelChoice("packaged:multi30k-en-de", "translate"),
    ModelChoice("packaged:qwen2.5-coder-0.5b", "translate", settings=LM),
]
GOAL = {"train": "multi30k:train", "dev": "multi30k:val"}


@pytest.mark.parametrize(
    ("is_spoken", "target"), [(True, "de"), (True, None), (False, "de")], ids=["cascade", "speech", "text"]
)
def test_every_candidate_is_a_graph_and_has_a_name_of_its_own(is_spoken: bool, target: str | None) -> None:
    found = list_candidates(MODELS, is_spoken=is_spoken, target=target, templates=(), goal=GOAL)
    assert len({each.name for each in found}) == len(found)
    seen = {name for each in found for name in each.template.split("+")}
    wanted = {
        row.name
        for row in TEMPLATES.values()
        if (row.task == "recognize" and is_spoken)
        or (row.task == "translate" and target)
        or (row.task == "translate_speech" and target and is_spoken)
    }
    assert seen == wanted
    for each in found:
        graph = {**each.graph, "source_language": "en", **({"target_language": target} if target else {})}
        pipeline = read_pipeline(graph)
        assert set(pipeline.outputs) == set(each.graph["outputs"])


def test_models_stand_small_to_large_in_a_route() -> None:
    found = list_candidates(MODELS, is_spoken=True, target=None, templates=("route",), goal={})
    assert {(c.graph["nodes"]["fast"]["model"], c.graph["nodes"]["good"]["model"]) for c in found} == {
        (MODELS[a].reference, MODELS[b].reference) for a, b in ((0, 1), (0, 2), (1, 2))
    }


def test_named_models_say_what_they_do_and_packaged_ones_are_known() -> None:
    names = ("packaged:whisper-tiny.en", "packaged:whisper-base", "packaged:multi30k-en-de")
    tasks = [(m.reference, m.task) for m in list_models(names, "en", "de", None)]
    assert tasks == [*((name, "recognize") for name in names[:2]), (names[2], "translate")]
    english = [m.task for m in list_models(("packaged:whisper-base",), "de", "en", None)]
    assert english == ["recognize", "translate_speech"]
    assert [m.task for m in list_models(("translate=./mine",), "en", "de", None)] == ["translate"]
    with pytest.raises(ConfigError, match="expected recognizers, as no target_language is set, found nix"):
        list_models(("nix",), "en", None, None)


def test_what_cannot_be_is_refused_in_a_line() -> None:
    with pytest.raises(ConfigError, match="did you mean rover"):
        list_candidates(MODELS, is_spoken=True, target=None, templates=("rovr",), goal={})
    kept, notes = licensed(MODELS, Limits(licences=("mit",)))
    refused = f"of which a template makes a system, found {MODELS[4].reference}; {notes[0]}"
    with pytest.raises(ConfigError, match=re.escape(refused)):
        list_candidates(MODELS[4:5], is_spoken=True, target="de", templates=(), goal={}, left_out=notes[:1])
    assert [m.reference for m in kept] == [MODELS[0].reference, MODELS[1].reference, MODELS[3].reference]
    assert "left out, its licence is not known" in notes[0]
