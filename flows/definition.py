"""What makes a function of one parameter model a flow, with the form that Prefect's UI shows of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from typing import Annotated, Any, TypeVar

from prefect import Flow, flow
from prefect.runtime import flow_run
from prefect.utilities.callables import parameter_schema
from pydantic import Field, ValidationError, WithJsonSchema
from pydantic_core import MISSING

from flows.parameters.base import FlowParameters, check_no_secret
from flows.parameters.faults import check_values
from flows.parameters.form import build_form, drop_empty, order_fields
from flows.run_names import describe_run

P = TypeVar("P", bound=FlowParameters)
R = TypeVar("R")


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
