"""A preset is a graph in a file: its stages' settings are those of their kinds, and nothing else is said."""

from __future__ import annotations

from typing import Any

import pytest

from components.nodes.kind import KINDS
from components.pipeline.reading.reader import read_pipeline
from components.stacking.kinds.stack import StackSettings
from flows.presets.files import list_presets
from flows.presets.preset import read_preset
from flows.registry import FLOWS


@pytest.mark.parametrize("name", list_presets())
def test_a_file_says_what_is_asked_of_nodes_that_it_has(name: str) -> None:
    preset, model = read_preset(name), FLOWS[name].parameters
    assert FLOWS[name].summary == preset.summary
    for parameter, node, setting, _ in preset.fields():
        settings = KINDS[preset.nodes[node]["kind"]].settings
        assert not setting or setting in settings.model_fields
        assert parameter == "*" or parameter in model.model_fields


def test_a_cascade_is_the_graph_that_its_file_has() -> None:
    entry = FLOWS["cascade"]
    model: Any = entry.parameters
    assert type(model().asr) is KINDS["recognize"].settings
    assert type(model().mt) is KINDS["translate"].settings
    written = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr", "beam_size": 2}}
    graph, expected = entry.pipeline(model(mt={"beam_size": 2})), read_pipeline({"nodes": written})
    assert [(n.name, n.of, n.settings) for n in graph] == [(n.name, n.of, n.settings) for n in expected]


def test_what_is_asked_elsewhere_is_no_setting_of_the_stage() -> None:
    model: Any = FLOWS["stack"].parameters
    stack = type(model().stack)
    assert issubclass(StackSettings, stack)
    assert not {"learn", "text_model", "learned"} & stack.model_fields.keys()
    graph = FLOWS["stack"].pipeline(model(mt={"model": "other"}, stack={"method": "late_fusion"}))
    assert graph.nodes["stack"].settings.text_model == "other"  # type: ignore[attr-defined]
    assert {"stack-training", "stack-coefficient", "speech--dev"} <= graph.nodes.keys()


def test_a_model_of_its_own_needs_no_training() -> None:
    model: Any = FLOWS["stack"].parameters
    graph = FLOWS["stack"].pipeline(model(stack={"model": "store:" + "0" * 64}))
    assert list(graph.nodes) == ["speech", "asr", "mt", "stack"]


def test_defaults_of_a_file_are_those_of_the_form() -> None:
    model: Any = FLOWS["distill"].parameters
    assert model().student.num_layers == 2
    assert model(student={"max_steps": 3}).student.decoder_layers == 1


def test_a_teacher_that_nobody_named_is_the_best_for_the_data_and_members_teach_alone() -> None:
    model: Any = FLOWS["distill"].parameters
    best, members = "packaged:multi30k-en-de", ("store:" + "0" * 64, "store:" + "1" * 64)
    for teacher, teachers in (({}, (best,)), ({"members": members}, members)):
        graph = FLOWS["distill"].pipeline(model(level="word", teacher_layers=True, teacher=teacher))
        settings: Any = graph.nodes["training"].settings
        assert (settings.teachers, settings.tokenizer) == (teachers, teachers[0])
        assert settings.init_layers_from == teachers[0]
