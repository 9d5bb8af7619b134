"""What makes a function of one parameter model a flow, with the form that Prefect's UI shows of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial, wraps
from itertools import islice
from typing import Annotated, Any, TypeVar

from prefect import Flow, flow
from prefect.runtime import flow_run
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema
from pydantic_core import MISSING

from components.files.redaction import redact
from components.stage_settings import AUTO_MODEL
from flows.parameters.base import FlowParameters, check_no_secret
from flows.parameters.faults import check_values
from flows.parameters.form import build_form, drop_empty, order_fields

P = TypeVar("P", bound=FlowParameters)
R = TypeVar("R")
_SOURCE_PARAMETERS = ("audio", "runs", "run", "draft", "recipe", "data")
"""Parameters that say what a flow reads; the first that is set."""
_SUFFIX = re.compile(r"\.(jsonl|json|tsv|csv|txt|wav|flac|mp3|ogg|ya?ml)$")
_MAX_MODELS = 3
_MAX_LENGTH = 100


def define_flow(model: type[P]) -> Callable[[Callable[[P], R]], Flow[..., R]]:
    """Make a function of one parameter model a flow of its name, whose parameters are the model's fields.

    The flow's values are checked by the model alone, so a wrong one is described as on the command line.
    Prefect makes its form, and what its server checks, of the signature that :func:`_sign` gives the flow.

    Raises:
        ConfigError: a field looks like a secret.
    """
    check_no_secret(list(model.model_fields))

    def decorate(function: Callable[[P], R]) -> Flow[..., R]:
        @wraps(function)
        def wrapper(**values: Any) -> R:
            return function(check_values(model, drop_empty(values, model)))

        del wrapper.__wrapped__  # its signature is not this one's
        wrapper.__annotations__ = {}
        wrapper.__signature__ = _signature(model, {})  # type: ignore[attr-defined]
        name_run = partial(_name_flow_run, model)
        defined = flow(persist_result=False, flow_run_name=name_run)(wrapper)
        defined.__signature__ = _signature(model, build_form(model))  # type: ignore[attr-defined]
        defined.parameters = parameter_schema(defined)
        return defined

    return decorate


def _name_flow_run(model: type[FlowParameters]) -> str:
    """What Prefect calls a run: the name that it was given, else what it does to which data with what."""
    values: Mapping[str, Any] = flow_run.parameters
    with suppress(ValidationError):  # which the flow itself reports
        values = dict(model.model_validate(drop_empty(values, model)))
    return describe_run(str(flow_run.flow_name), values)


def _signature(model: type[FlowParameters], form: dict[str, dict[str, Any]]) -> inspect.Signature:
    """Return the fields as keyword parameters: with their defaults for a call, or as a form shows them.

    In a form the default is part of the schema: pydantic would show None as one.
    """
    parameters = []
    for name in order_fields(model):
        field = model.model_fields[name]
        default = inspect.Parameter.empty if field.is_required() else MISSING if form else field.default
        kind = (
            Annotated[Any, WithJsonSchema(form[name]), Field(json_schema_extra=form[name])] if form else Any
        )
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        )
    return inspect.Signature(parameters)


def describe_run(flow: str, parameters: Mapping[str, Any]) -> str:
    """Return the run's own name if it has one, else such as ``cascade talks whisper-base multi30k-en-de``."""
    name = parameters.get("name")
    if name:
        return str(name)
    reads = next((parameters[key] for key in _SOURCE_PARAMETERS if parameters.get(key)), ())
    sources = [reads] if isinstance(reads, str) else list(reads)
    systems = [str(dict(system)["name"]) for system in parameters.get("systems", ())]
    models = dict.fromkeys(() if systems else _iterate_models(parameters))
    names = dict.fromkeys(map(_shorten, [*sources, *systems, *islice(models, _MAX_MODELS)]))
    return " ".join([str(parameters.get("title") or flow), *names])[:_MAX_LENGTH]


def _shorten(reference: str) -> str:
    """The last part of a path, of a model's reference, of the first of several files or of a recipe."""
    first = redact(reference).split("\n", maxsplit=1)[0].partition(",")[0].partition("?")[0].rstrip("/")
    name = _SUFFIX.sub("", first.rpartition("/")[2].partition("@")[0])
    return re.sub(r"^(packaged|whisper|store|sphinx):", "", name)


def _iterate_models(values: object) -> Iterator[str]:
    """Yield every model that parameters name, in their order."""
    fields = dict(values) if isinstance(values, BaseModel) else values
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            if name == "model" and isinstance(value, str):
                yield from () if value == AUTO_MODEL else (value,)
            elif name == "members" and isinstance(value, Sequence):
                yield from map(str, value)
            else:
                yield from _iterate_models(value)
