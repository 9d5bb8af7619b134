"""`antiphon run FLOW --help`: the flow's own help, where a flow is named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from flows.registry import FLOWS


class RunCommand(TyperCommand):
    """`antiphon run`; with the name of a flow before ``--help`` it explains that flow."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Print a flow's help and end, or go on as usual."""
        if args and args[0] in FLOWS and "--help" in args:
            from flows.cli.parameter_printing import print_help

            print_help(args[0])
            ctx.exit()
        rest: list[str] = super().parse_args(ctx, args)
        return rest
