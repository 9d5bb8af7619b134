"""Flags of a command that are the fields of a parameters model: names, types and help come from there."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flows.cli.help.completion import COMPLETIONS
from flows.cli.help.signatures import set_signature

METAVARS = {
    **{"data": "SET", "audio": "FILE", "store": "URL", "name": "NAME", "model_metrics": "NAME:MODEL"},
    **dict.fromkeys(("source_language", "target_language"), "CODE"),
}
"""Field -> what stands for its value in the help."""
Values = dict[str, object]


def with_flags(
    model: type[BaseModel], *names: str, positional: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Give a command the flags of a model's fields; what is set of them comes as its argument ``values``.

    Args:
        model: whose fields they are.
        names: of the fields, in the order of the flags.
        positional: the field that is an argument without a flag.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., None]:
        written = inspect.signature(command, eval_str=True).parameters
        own = [parameter for name, parameter in written.items() if name != "values"]
        flags = [_parameter(name, model.model_fields[name], is_flag=True) for name in names]
        first = [] if positional is None else [_parameter(positional, model.model_fields[positional])]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            taken = [*([] if positional is None else [positional]), *names]
            values = {name: given.pop(name) for name in taken}
            command(**given, values={name: value for name, value in values.items() if _is_set(value)})

        required = [each for each in own if each.default is inspect.Parameter.empty]
        optional = [each for each in own if each.default is not inspect.Parameter.empty]
        keyword = inspect.Parameter.KEYWORD_ONLY
        set_signature(wrapper, [p.replace(kind=keyword) for p in (*first, *required, *flags, *optional)])
        return wrapper

    return decorate


def _is_set(value: object) -> bool:
    """Return whether a flag was given; a list that is empty and a switch that is off were not."""
    return value is not None and value is not False and value != []


def _parameter(name: str, field: FieldInfo, *, is_flag: bool = False) -> inspect.Parameter:
    """Return an argument or a flag as typer reads it."""
    kind, is_several = _plain_type(field.annotation)
    metavar = "" if kind is bool else _metavar(kind, name) if is_flag else name.upper()
    options: dict[str, Any] = {"help": field.description, "metavar": metavar}
    options["autocompletion"] = COMPLETIONS.get(name)
    mark = typer.Option("--" + name.replace("_", "-"), **options) if is_flag else typer.Argument(**options)
    annotation: Any = list[kind] if is_several else kind  # type: ignore[valid-type]
    is_optional = is_flag or not field.is_required()
    default = (False if kind is bool else None) if is_optional else inspect.Parameter.empty
    annotation = annotation if kind is bool or not is_optional else annotation | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, mark]
    )


def _metavar(kind: type, name: str) -> str:
    return METAVARS.get(name) or ("N" if kind in {int, float} else "VALUE")


def _plain_type(annotation: Any) -> tuple[type, bool]:
    """Return the type of a flag's value, and whether it may be repeated."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        plain = [part for part in arguments if part is not types.NoneType]
        return _plain_type(plain[0])
    if origin is Annotated:
        return _plain_type(arguments[0])
    if origin in {tuple, list}:
        return _plain_type(arguments[0])[0], True
    if origin is Literal or annotation not in {int, float, bool}:
        return str, False
    return annotation, False


def gather_values(values: Mapping[str, object], **further: object) -> Values:
    """Return what is set of flags, with further values where they are set."""
    return {**values, **{name: value for name, value in further.items() if _is_set(value)}}
