"""Flags of a command that are the fields of a parameters model: names, types and help come from there."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flows.cli.help.pages import completes

METAVARS = {
    **{"data": "SET", "audio": "FILE", "store": "URL", "name": "NAME", "model_metrics": "NAME:MODEL"},
    **{"format": "FORMAT", "out": "DIR|FILE|-", "node": "NAME", "confidence": "P", "confirm": "SET"},
    **dict.fromkeys(("source_language", "target_language", "language", "to"), "CODE"),
    **dict.fromkeys(("model", "asr_model"), "REF"),
    "objectives": "METRIC",
    **dict.fromkeys(("min_seconds", "max_seconds", "min_gap", "linger", "close_gaps"), "S"),
    **{"host": "ADDRESS", "socket": "FILE", "cors": "ORIGIN", "keep": "SHARE|NODE.BRANCH", "shadow": "FILE"},
    **{"terms": "FILE|NAMES", "prompt": "TEXT", "device": "DEVICE", "speakers": "[N]"},
    **{"select": "HOW", "protocol": "NAME", "prefill": "P"},
}
"""Field -> what stands for its value in the help."""
COMPLETED = {
    **dict.fromkeys(("run", "runs", "baseline"), "runs"),
    **{"model_metrics": "model_metrics", "node": "nodes", "model": "models", "asr_model": "models"},
    "format": "components.export.format_names:TextFormat",
    "normalizer": "components.metrics.normalizers:NormalizerName",
    "select": "components.campaign.settings:Selection",
    "protocol": "components.campaign.settings:Protocol",
}
"""Field -> what completes its flag or argument."""
LINES = frozenset({"audio"})
"""Fields of several lines: their flags may be repeated, a line each."""
Values = dict[str, object]


def with_flags(
    model: type[BaseModel],
    *names: str,
    positional: str | tuple[str, ...] = (),
    spelled: Mapping[str, tuple[str, ...]] = {},
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Give a command the flags of a model's fields; what is set of them comes as its argument ``values``.

    Args:
        model: whose fields they are.
        names: of the fields, in the order of the flags.
        positional: the field, or fields, that are arguments without a flag.
        spelled: field -> its flags, where they are not its name.
    """
    arguments = (positional,) if isinstance(positional, str) else positional

    def decorate(command: Callable[..., Any]) -> Callable[..., None]:
        written = inspect.signature(command, eval_str=True).parameters
        own = [parameter for name, parameter in written.items() if name != "values"]
        flags = [
            _parameter(name, model.model_fields[name], spelled.get(name, (f"--{name.replace('_', '-')}",)))
            for name in names
        ]
        first = [_parameter(name, model.model_fields[name]) for name in arguments]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            values = {name: given.pop(name) for name in (*arguments, *names)}
            values |= {name: "\n".join(values[name]) for name in LINES & values.keys() if values[name]}
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


def _parameter(name: str, field: FieldInfo, flags: tuple[str, ...] = ()) -> inspect.Parameter:
    """Return an argument, or with ``flags`` an option, as typer reads it."""
    kind, is_several = _plain_type(field.annotation)
    is_several = is_several or name in LINES
    metavar = _metavar(kind, name) if flags else name.upper()
    if is_several and not flags:
        metavar = f"{metavar.removesuffix('S')}..."
    has_default = isinstance(field.default, int | float | str) and kind is not bool
    text = f"{field.description or ''}{f' (default: {field.default})' if has_default else ''}"
    if name in LINES:
        text = text.replace("a line each", "a flag each")
    options: dict[str, Any] = {"help": text, "metavar": metavar}
    options["autocompletion"] = completes(COMPLETED[name]) if name in COMPLETED else None
    mark = typer.Option(*flags, **options) if flags else typer.Argument(**options)
    annotation: Any = list[kind] if is_several else kind  # type: ignore[valid-type]
    is_optional = not field.is_required()
    default = (False if kind is bool else None) if is_optional else inspect.Parameter.empty
    annotation = annotation if kind is bool or not is_optional else annotation | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, mark]
    )


def _metavar(kind: type, name: str) -> str:
    return "" if kind is bool else METAVARS.get(name) or ("N" if kind in {int, float} else "VALUE")


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


def set_signature(command: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    """Let a wrapper of a command have these parameters, instead of those of what it wraps."""
    vars(command).pop("__wrapped__", None)  # its signature is not this one's
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
