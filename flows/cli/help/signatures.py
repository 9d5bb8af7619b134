"""Commands whose flags are not all written in their own signature: typer reads the one that they get here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any


def set_signature(command: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    """Let a wrapper of a command have these parameters, instead of those of what it wraps."""
    vars(command).pop("__wrapped__", None)  # its signature is not this one's
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
