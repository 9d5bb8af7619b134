"""The form that Prefect's UI makes of a flow's parameters.

pydantic's schema is written anew where both UIs would show noise: an optional field is a plain field that may
stay empty (not a choice between a type and "None"), titles are words, data come first and the store last, and
a long group has two tabs, of which the first shows the settings that are changed most. Only a group that may
be left out is a choice: both UIs send the settings of every group that they show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

FIRST_FIELDS = (
    *("run", "recipe", "data", "audio", "dev"),
    *("source_language", "target_language", "limit", "systems"),
)
LAST_FIELDS = (
    *("model_metrics", "normalizer", "price_per_hour", "edits", "anyway", "blame", "folder", "title"),
    *("device", "dtype", "threads", "engine", "reuse", "seed", "name", "replace", "store"),
)
MAIN_FIELDS = (
    *("recipe", "models", "graph", "run", "runs", "systems", "baseline", "data", "audio", "dev", "test"),
    *("target_language", "limit", "model", "budget", "objectives", "confirm", "method", "metric"),
    *("num_experts", "level", "rounds"),
    *("max_steps", "steps", "max_minutes", "num_layers", "beam_size", "members", "terms", "init_from"),
    *("gate", "gate_model", "combination", "terms", "source_language", "name", "until"),
)
"""Settings in the first tab of a long group, and in the short list of parameters, most important first."""
MAX_GROUP_FIELDS = 6
"""Fields of a group that has no tabs."""
_TABS = {"string": "Text", "integer": "Number", "number": "Number", "object": "Object", "array": "List"}
"""What a tab of a field of several types is called, where the UI would say `str` and `dict`."""
_WORDS = {
    "vad": "Voice activity detection",
    "n_best": "N-best",
    "dtype": "Arithmetic",
    "dev": "Development data",
    "dev_limit": "Development utterances",
    "max_tokens": "Longest output (tokens)",
    "log_prob_threshold": "Log-probability threshold",
}
"""Titles that are not the field's name with spaces."""


def build_form(model: type[BaseModel]) -> dict[str, Schema]:
    """The JSON schema of every parameter in the order of the form; definitions stand where they are used."""
    schema = model.model_json_schema(by_alias=False)
    definitions = schema.get("$defs", {})
    return {name: _tidy(name, schema["properties"][name], definitions) for name in order_fields(model)}


def order_fields(model: type[BaseModel]) -> list[str]:
    """The fields of a flow in the order in which one thinks: data, what is done with them, how it runs."""
    names = list(model.model_fields)
    first = [name for name in FIRST_FIELDS if name in names]
    last = [name for name in LAST_FIELDS if name in names]
    return [*first, *(name for name in names if name not in {*first, *last}), *last]


def drop_empty(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return parameters without those that a form left empty, also within groups: they keep their defaults.

    What is no group of the form, such as a pipeline's graph, stays as it is: an empty text is one there.

    Args:
        values: parameters by name.
        model: of the flow, whose fields that are models themselves are the groups.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        field = model.model_fields.get(name)
        group = None if field is None or field.is_required() else field.default
        if isinstance(group, BaseModel) and isinstance(value, dict):
            result[name] = drop_empty(value, type(group))
        elif value != "":
            result[name] = value
    return result


def _tidy(name: str, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return one field's schema, as a form shows it best."""
    title = schema.get("title", name)
    schema = _inline(schema, definitions)
    if title in {name, name.replace("_", " ").title()}:  # none of its own: pydantic makes one of the name
        schema["title"] = _WORDS.get(name) or name.replace("_", " ").capitalize()
    may_be_left_out = schema.get("default", "") is None
    if may_be_left_out:
        del schema["default"]
    if examples := schema.pop("examples", None):
        schema["description"] = f"{schema.get('description', '')}; for example {', '.join(examples)}"
    if "items" in schema:
        items = _inline(schema["items"], definitions)
        schema["items"] = _tidy_group(items, definitions) if "properties" in items else items
    if "properties" not in schema:
        return schema
    group = _tidy_group(schema, definitions)
    if not may_be_left_out:
        return group
    heading: Schema = {key: group.pop(key) for key in ("title", "description") if key in group}
    return {**heading, "anyOf": [{"type": "null", "title": "Not set"}, {**group, "title": "Set"}]}


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return the schema with its definitions in it, and without the choice of null."""
    schema = dict(schema)
    if "$ref" in schema:
        schema = {**definitions[schema.pop("$ref").rpartition("/")[2]], **schema}
    if isinstance(values := schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _inline(values, definitions)
    branches = [branch for branch in schema.pop("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        return _inline({**branches[0], **schema}, definitions)
    tabs = [
        {"title": b.get("const") or _TABS[b["type"]], **b}
        for b in (_inline(b, definitions) for b in branches)
    ]
    return {**schema, "anyOf": tabs} if tabs else schema


def _tidy_group(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return a group of settings, whose defaults stand at the settings; in two tabs if it is long."""
    defaults = schema.pop("default", {})
    fields = {}
    for name, field in schema["properties"].items():
        fields[name] = _tidy(
            name, {**field, **({"default": defaults[name]} if name in defaults else {})}, definitions
        )
    if {"beam_size", "n_best"} <= fields.keys():
        fields["n_best"].pop("default", None)  # it follows the beam
    group = {**schema, "properties": fields}
    main = {name: field for name, field in fields.items() if name in MAIN_FIELDS}
    if len(fields) <= MAX_GROUP_FIELDS or not main:
        return group
    shape = {"type": "object", "additionalProperties": False}
    heading: Schema = {key: schema[key] for key in ("title", "description") if key in schema}
    return {
        **heading,
        "default": {name: field["default"] for name, field in main.items() if "default" in field},
        "anyOf": [
            {**shape, "title": "Main settings", "properties": main},
            {**shape, "title": "All settings, from their defaults", "properties": fields},
        ],
    }
