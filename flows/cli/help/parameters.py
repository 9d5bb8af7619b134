"""What can be set on a flow, as rows: name, type with choices and bounds, default, description, group."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from components.files.yaml_text import format_yaml
from components.text.extension_choice import ExtensionChoice
from flows.parameters.form import MAIN_FIELDS

FIRST, MODELS, SEARCH, RUNNING, OTHER = (
    "what you set first",
    "models",
    "search",
    "running",
    "what else can be set",
)
GROUPS = (FIRST, MODELS, SEARCH, OTHER, RUNNING)
"""The groups in their order."""
_GROUP_OF = {
    **dict.fromkeys(("graph", "recipe", "run", "runs", "systems", "baseline", "draft"), FIRST),
    **dict.fromkeys(("data", "audio", "models", "dev", "test", "source_language", "target_language"), FIRST),
    **dict.fromkeys(("limit", "until", "name"), FIRST),
    **dict.fromkeys(("model", "backend", "members", "dropout_members", "positive", "negative"), MODELS),
    **dict.fromkeys(("teacher", "gate_model", "combination", "coefficients", "init", "examples"), MODELS),
    **dict.fromkeys(("beam_size", "n_best", "length_penalty", "max_tokens", "max_new_tokens"), SEARCH),
    **dict.fromkeys(("temperature", "temperature_fallback", "top_k", "top_p", "repetition_penalty"), SEARCH),
    **dict.fromkeys(("no_repeat_ngram_size", "sampling", "min_p", "early_stopping"), SEARCH),
    **dict.fromkeys(("store", "replace", "engine", "seed", "folder", "title", "device", "threads"), RUNNING),
    **dict.fromkeys(("reuse", "dtype", "batch_size", "batch_tokens"), RUNNING),
}
"""The last part of a parameter's name -> its group; what is not named is in OTHER."""
_BOUNDS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "min_length": "length at least",
    "max_length": "length at most",
}
"""The attributes of pydantic's bounds (of the package annotated-types) in words."""
MAX_MAIN = 15
"""Parameters of a flow that are listed without ``--all``."""
_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "mapping",
    type(None): "",
}


class ParameterRow(NamedTuple):
    """One parameter of a flow.

    Attributes:
        name: as ``--set`` takes it.
        type: in words, with its bounds.
        choices: its possible values, where they are a closed list.
        default: none where it is empty or must be set.
        is_required: whether it must be set.
        description: what it is.
        group: one of ``GROUPS``.
    """

    name: str
    type: str
    choices: tuple[str, ...]
    default: Any
    is_required: bool
    description: str
    group: str

    @property
    def default_text(self) -> str:
        """The default as ``--set`` takes it."""
        return self.default if isinstance(self.default, str) else to_yaml(self.default)


def parameter_rows(model: type[BaseModel], prefix: str = "") -> Iterator[ParameterRow]:
    """Yield every parameter of a model, stages in their places."""
    for name, field in model.model_fields.items():
        value = None if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            yield from parameter_rows(type(value), f"{prefix}{name}.")
            continue
        group = FIRST if field.is_required() else _GROUP_OF.get(name, OTHER)
        type_text, choices = describe_type(field)
        yield ParameterRow(
            f"{prefix}{name}",
            type_text,
            choices,
            value,
            field.is_required(),
            field.description or "",
            group if not prefix or group != FIRST or field.is_required() else OTHER,
        )


def group_rows(rows: Sequence[ParameterRow]) -> Mapping[str, list[ParameterRow]]:
    """Return rows by group, groups in their order; none is empty."""
    order = {name: number for number, name in enumerate(_GROUP_OF)}
    ordered = sorted(rows, key=lambda row: order.get(row.name, len(order) if row.group != FIRST else -1))
    groups = {group: [row for row in ordered if row.group == group] for group in GROUPS}
    return {group: members for group, members in groups.items() if members}


def select_main(rows: Sequence[ParameterRow]) -> list[ParameterRow]:
    """Return the few parameters that are set most, in their order: those that must be set among them."""

    def rank(row: ParameterRow) -> tuple[int, int]:
        leaf = row.name.rpartition(".")[2]
        place = MAIN_FIELDS.index(leaf) if leaf in MAIN_FIELDS else len(MAIN_FIELDS)
        return (0 if row.is_required else 1, place)

    named = [row for row in rows if row.is_required or rank(row)[1] < len(MAIN_FIELDS)]
    chosen = {row.name for row in sorted(named, key=rank)[:MAX_MAIN]}
    return [row for row in rows if row.name in chosen]


def to_plain(value: Any) -> Any:
    """Return a default as plain JSON values."""
    return TypeAdapter(Any).dump_python(value, mode="json")


def to_yaml(value: Any) -> str:
    """Return a value as YAML on one line; empty for None."""
    if value is None:
        return ""
    return format_yaml([to_plain(value)], flow_style=True)[1:-2]


def describe_type(field: FieldInfo) -> tuple[str, tuple[str, ...]]:
    """Return a field's type in words, with bounds, and its choices."""
    choices = tuple(map(str, _choices_of(field.annotation)))
    for mark in field.metadata:
        choices = mark.names if isinstance(mark, ExtensionChoice) else choices
    bounds = _describe_bounds(field.metadata)
    text = " | ".join(choices) if choices else _describe_annotation(field.annotation)
    return f"{text} {bounds}" if bounds else text, choices


def _choices_of(annotation: Any) -> tuple[object, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [_choices_of(part) for part in get_args(annotation) if part is not type(None)]
        return tuple(choice for part in inner for choice in part) if all(inner) else ()
    return ()


def _describe_annotation(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(filter(None, map(_describe_annotation, arguments))))
    if origin is Annotated:
        return _describe_annotation(arguments[0])
    if origin in {tuple, list}:
        return f"list: {_describe_annotation(arguments[0])}"
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "{" + ", ".join(annotation.model_fields) + "}"
    return _PLAIN.get(origin or annotation, "value")


def _describe_bounds(marks: Sequence[object]) -> str:
    """Return bounds in words, such as ``1 to 64`` or ``more than 0``."""
    bounds = {name: getattr(mark, name) for mark in marks for name in _BOUNDS if hasattr(mark, name)}
    if bounds.keys() == {"ge", "le"}:
        return f"{bounds['ge']} to {bounds['le']}"
    return ", ".join(f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items())
