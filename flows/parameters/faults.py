"""pydantic's validation errors as lines for a user: where, expected, found, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from components.errors import ConfigError
from components.files.yaml_text import Places, at_place
from components.text.suggestions import suggest
from components.text.validation_faults import describe_value_fault, list_faults
from flows.parameters.base import GRAPH_KEYS

M = TypeVar("M", bound=BaseModel)


def check_values(model: type[M], values: object, file: Path | None = None, places: Places | None = None) -> M:
    """Return the values, of which some may come from places in a file, as a model.

    Raises:
        ConfigError: a line per fault.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(describe_faults(model, error, file, places))) from None


def describe_fault(fault: Mapping[str, Any]) -> str:
    """Return one pydantic error in one line, without secrets: where, what was expected, what was found."""
    name, message = ".".join(_path_of(fault)), describe_value_fault(fault)
    return message if not name or message.startswith(f"{name}: ") else f"{name}: {message}"


def _path_of(fault: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where an error is; pydantic writes ``[key]`` behind a key that is wrong itself."""
    return tuple(str(part) for part in fault["loc"] if part != "[key]")


def describe_faults(
    model: type[BaseModel], error: ValidationError, file: Path | None = None, places: Places | None = None
) -> list[str]:
    """Return the errors of a model's values, a line each with the place in the file and what to do.

    Args:
        model: of the values.
        error: what pydantic says of them.
        file: the YAML file that the values came from.
        places: where its keys stand.
    """
    return [_describe_with_place(model, dict(fault), file, places or {}) for fault in list_faults(error)]


def _describe_with_place(
    model: type[BaseModel], fault: dict[str, Any], file: Path | None, places: Places
) -> str:
    path = _path_of(fault)
    place, name = places.get(path), ".".join(path)
    return at_place(file if place is not None else None, place, _describe(model, fault, path, name))


def _describe(model: type[BaseModel], fault: dict[str, Any], path: tuple[str, ...], name: str) -> str:
    if fault["type"] == "missing" and name in model.model_fields:
        return f"{name}: must be set; {_explain_setting(name, model.model_fields[name])}"
    if fault["type"] != "extra_forbidden":
        return describe_fault(fault)
    field_names = _field_names(model, path[:-1])
    names = [".".join((*path[:-1], field)) for field in field_names]
    return f"{name}: no such parameter{suggest(name, names)}"


def _explain_setting(name: str, field: FieldInfo) -> str:
    """Return what a parameter is and how it is set."""
    example = field.examples[0] if field.examples else "VALUE"
    return f"{field.description}: --set {name}={example}"


def _field_names(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Return names of the fields of the model at ``path`` below ``model``."""
    for name in path:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    graph = GRAPH_KEYS if not path and "graph" in model.model_fields else ()
    return [*graph, *model.model_fields]
