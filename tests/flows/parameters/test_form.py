"""The form of every flow, as a schema; tests/flows/test_deployments.py fills it in in both UIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from components.errors import ConfigError
from components.recognition.kinds.recognize import RecognizeSettings
from flows.parameters.faults import check_values
from flows.parameters.form import build_form, drop_empty, order_fields
from flows.registry import FLOWS, flow_named


@pytest.fixture(params=FLOWS)
def model(request: pytest.FixtureRequest) -> Any:
    return flow_named(request.param).parameters


@pytest.fixture
def fields(model: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every field of the form by its path, those of groups too."""
    return [pair for name, schema in build_form(model).items() for pair in fields_of(schema, name)]


def fields_of(schema: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The field itself and every field within it, by path."""
    yield name, schema
    for branch in (schema, *schema.get("anyOf", ()), schema.get("items", {})):
        for inner, field in branch.get("properties", {}).items():
            yield from fields_of(field, f"{name}.{inner}")


def test_a_form_is_read_by_somebody_who_has_not_read_the_code(fields: Any) -> None:
    for path, field in fields:
        assert field.get("description"), f"{path} is not described"
        title = field["title"]
        assert title != path.rpartition(".")[2], path
        assert title[0].isupper() and "_" not in title, path
        assert title == title.capitalize() or not title.istitle() or " " not in title, path  # no "Beam Size"


def test_only_a_group_that_may_be_left_out_is_a_choice_of_none(fields: Any) -> None:
    """V1 and V2 show that as a toggle with "Property is type None"; a group without it is always sent."""
    for path, field in fields:
        assert field.get("type") != "null", path
        types = [branch.get("type") for branch in field.get("anyOf", ())]
        assert all(branch.get("title") for branch in field.get("anyOf", ())), path  # else "str", "dict"
        assert "null" not in types or types == ["null", "object"], path
        assert field.get("default", "") is not None, path
        assert "$ref" not in field, path


def test_what_a_form_sends_untouched_is_what_a_flow_does_without_it(model: Any) -> None:
    form = build_form(model)
    infos = model.model_fields.items()
    required = {name: (info.examples or ["accepted"])[0] for name, info in infos if info.is_required()}
    for tab in (0, -1):
        sent = untouched({"properties": form}, tab) | required
        jsonschema.validate(sent, {"properties": form})
        assert model.model_validate(sent) == model.model_validate(required)


def untouched(schema: dict[str, Any], tab: int) -> Any:
    """What both UIs send of a field, in the first or the last tab of its group, by their defaults."""
    tabs = [branch for branch in schema.get("anyOf", ()) if "properties" in branch]
    if len(tabs) > 1 and (tab or "default" not in schema):
        return untouched(tabs[tab], tab)
    if "default" in schema or "properties" not in schema:
        return schema.get("default")
    sent = {name: untouched(field, tab) for name, field in schema["properties"].items()}
    return {name: value for name, value in sent.items() if value is not None}


def test_data_come_first_and_the_store_last() -> None:
    first = ["data", "audio", "source_language", "target_language", "limit", "asr", "mt"]
    last = [
        *("model_metrics", "normalizer", "price_per_hour", "edits", "anyway", "blame", "engine"),
        *("reuse", "seed", "name", "replace", "store"),
    ]
    assert order_fields(flow_named("cascade").parameters) == [*first, *last]
    for name in FLOWS:
        fields = order_fields(flow_named(name).parameters)
        assert fields[-1] == "store"
        assert sorted(fields) == sorted(flow_named(name).parameters.model_fields)


def test_a_long_group_has_a_tab_of_main_settings_and_one_of_all() -> None:
    asr = build_form(flow_named("cascade").parameters)["asr"]
    main, everything = asr["anyOf"]
    assert (asr["title"], list(main["properties"])) == (
        "Recognition",
        ["model", "beam_size", "terms", "members", "combination"],
    )
    assert list(everything["properties"]) == list(RecognizeSettings.model_fields)
    usual = {"model": "packaged:whisper-base", "beam_size": 5, "members": [], "combination": "linear"}
    assert asr["default"] == usual
    assert everything["properties"]["vad"]["title"] == "Voice activity detection"
    assert everything["properties"]["dtype"]["enum"] == ["auto", "float32", "bfloat16", "float16", "int8"]
    jsonschema.validate({"vad": False}, asr)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"beam": 1}, asr)


def test_n_best_is_left_to_follow_the_beam() -> None:
    """A form that sent the default of n_best would refuse who only makes the beam smaller."""
    _, everything = build_form(flow_named("cascade").parameters)["mt"]["anyOf"]
    assert "default" not in everything["properties"]["n_best"]


def test_what_is_left_empty_keeps_its_default() -> None:
    values = {"name": "", "limit": 0, "blame": False, "mt": {"model": "", "beam_size": 2}, "runs": [""]}
    model = flow_named("cascade").parameters
    assert drop_empty(values, model) == {"limit": 0, "blame": False, "mt": {"beam_size": 2}, "runs": [""]}


def test_an_empty_text_in_a_graph_is_a_value_of_its_node() -> None:
    graph = {"nodes": {"mine": {"kind": "python", "of": "data", "arguments": {"joint": ""}}}}
    values = {"graph": graph, "until": ""}
    assert drop_empty(values, flow_named("pipeline").parameters) == {"graph": graph}


def test_a_field_of_a_model_within_a_list_is_shown_too() -> None:
    class System(BaseModel):
        flow_name: str | None = None

    class Flow(BaseModel):
        systems: tuple[System, ...] = ()

    field = build_form(Flow)["systems"]["items"]["properties"]["flow_name"]
    assert field == {"title": "Flow name", "type": "string"}


def test_humans_scores_are_those_that_blame_attributes() -> None:
    with pytest.raises(ConfigError, match=r"^human_scores\.ter: expected bleu or chrf, found 'ter'$"):
        check_values(flow_named("blame").parameters, {"run": "mine", "human_scores": {"ter": 40.0}})
