"""A command of one flow: its parameters model is its flags and their help."""

from __future__ import annotations

from collections.abc import Callable

import typer

from flows.cli.compute.run import run_flow
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, Assignments
from flows.registry import flow_named

COMMON = ("name", "replace", "store")
"""Parameters of every flow, whose flags stand last."""


def flow_command(
    flow: str,
    *names: str,
    positional: str | tuple[str, ...] = (),
    help: str,  # noqa: A002 - as typer calls it
) -> Callable[..., None]:
    """Return the command that runs a flow: its flags are fields of the flow's parameters model.

    Args:
        flow: its name.
        names: the fields that have a flag; any other is set by ``--set``.
        positional: the field that is an argument without a flag.
        help: what the command says of itself.
    """

    @with_flags(flow_named(flow).parameters, *names, *COMMON, positional=positional)
    def command(values: Values, assignments: Assignments = None, as_json: AsJson = False) -> None:
        raise typer.Exit(run_flow(flow, None, assignments or [], values, as_json=as_json))

    command.__doc__, command.__name__ = help, flow
    return command
