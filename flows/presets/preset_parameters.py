"""The parameters model of a preset, made of the settings of its nodes, and the graph that its values give."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, cast, get_args

from pydantic import AliasChoices, BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from components.nodes.kind import KINDS
from components.pipeline.reading.reader import COMMON_KEYS
from flows.parameters.base import FlowParameters
from flows.presets.files import load
from flows.presets.preset import FLAT, FormField, Preset


def build_parameters(name: str, preset: Preset) -> type[FlowParameters]:
    """Return the model of what can be set on a preset: what its form asks, and what every run has.

    A parameter that stands for a node has the settings model of its kind; where some of these settings are
    asked elsewhere, the model that this one extends by them.
    """
    bases: list[type[BaseModel]] = [load(preset.parameters)]
    fields: dict[str, Any] = {}
    for parameter, node, setting, field in preset.fields():
        settings = _settings_model(preset, node)
        if parameter == FLAT:
            bases.insert(0, settings)
        elif setting:
            written = preset.nodes[node].get(setting)
            fields[parameter] = _setting_field(_kind_settings(preset, node), setting, field, written)
        else:
            default = ... if _is_required(settings) else settings()
            fields[parameter] = (settings, _described(field, None, default))
    title = name.replace("_", " ").capitalize()
    made = create_model(
        f"{title}Parameters",
        __base__=tuple(bases),
        __doc__=f"What can be set on {name}.",
        **fields,
    )
    made.model_config["title"] = title
    return cast("type[FlowParameters]", made)


def fill_graph(preset: Preset, parameters: BaseModel) -> dict[str, dict[str, Any]]:
    """Return the nodes of a preset with the values of its parameters."""
    nodes = {name: dict(values) for name, values in preset.nodes.items()}
    for parameter, node, setting, _ in sorted(preset.fields(), key=lambda row: bool(row[2])):
        if parameter == FLAT:
            nodes[node] |= _values_in_file(parameters, _settings_model(preset, node))
            continue
        value = getattr(parameters, parameter)
        if setting:
            nodes[node][setting] = value.model_dump() if isinstance(value, BaseModel) else value
        else:
            nodes[node] |= _values_in_file(value, type(value))
    for target, source in preset.follow.items():
        (node, setting), (other, theirs) = target.split("."), source.split(".")
        if nodes[node].get(setting) is None:
            nodes[node][setting] = nodes[other][theirs]
    return nodes


def _values_in_file(values: BaseModel, model: type[BaseModel]) -> dict[str, Any]:
    """Return the values of a model's fields, by the names that a file of a pipeline has for them."""
    dumped = values.model_dump(include=set(model.model_fields))
    named = {_name_in_file(name, model.model_fields[name]): value for name, value in dumped.items()}
    return {name: value for name, value in named.items() if name != "kind"}  # that of a training of one kind


def _name_in_file(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


def _kind_settings(preset: Preset, node: str) -> type[BaseModel]:
    return KINDS[preset.nodes[node]["kind"]].settings


def _settings_model(preset: Preset, node: str) -> type[BaseModel]:
    """Return the model of a node's settings that has nothing that is asked elsewhere, with its defaults."""
    elsewhere = preset.asked_elsewhere(node)
    settings = _kind_settings(preset, node)
    model = next(
        base
        for base in settings.__mro__
        if issubclass(base, BaseModel) and not elsewhere & base.model_fields.keys()
    )
    written = {
        name: value
        for name, value in preset.nodes[node].items()
        if name not in COMMON_KEYS and name in model.model_fields
    }
    return _with_defaults(model, written) if written else model


def _with_defaults(model: type[BaseModel], defaults: Mapping[str, Any]) -> type[BaseModel]:
    """Return a model whose fields have other defaults."""
    values = model.model_validate(defaults) if not _is_required(model, defaults) else None
    fields: dict[str, Any] = {}
    for name, written in defaults.items():
        info = model.model_fields[name]
        default = written if values is None else getattr(values, name)
        fields[name] = (
            Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation,
            Field(default, title=info.title, description=info.description),
        )
    made: type[BaseModel] = create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)
    return made


def _is_required(model: type[BaseModel], values: Mapping[str, Any] = {}) -> bool:
    return any(field.is_required() and name not in values for name, field in model.model_fields.items())


def _setting_field(settings: type[BaseModel], name: str, field: FormField, written: Any) -> Any:
    """Return one setting as a field of a form; a group that may be left out is one with its defaults."""
    info = settings.model_fields[name]
    annotation: Any = info.annotation
    groups = [part for part in get_args(annotation) if part is not NoneType]
    if len(groups) == 1 and isinstance(groups[0], type) and issubclass(groups[0], BaseModel):
        annotation = groups[0]
    default = info.get_default(call_default_factory=True) if written is None else written
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        default = annotation() if default is None else annotation.model_validate(default)
    constrained = Annotated[annotation, *info.metadata] if info.metadata else annotation
    return constrained, _described(field, info, default)


def _described(field: FormField, info: FieldInfo | None, default: Any) -> Any:
    own = (None, None, None) if info is None else (info.title, info.description, info.examples)
    title, description = field.title or own[0], field.description or own[1]
    return Field(default, title=title, description=description, examples=own[2])
