"""Commands of ``antiphon`` beyond what typer makes of a function: `run FLOW --help`, hints, help in order."""

from __future__ import annotations

from typing import Any

from typer import TyperException
from typer.core import TyperArgument, TyperCommand, TyperGroup

from components.text.suggestions import did_you_mean
from flows.cli.help.pages import HELP
from flows.registry import FLOWS


class Plain:
    """A command whose help names no Python type, as the name of an argument or of a value says it.

    Of an option that it does not have it says which one may be meant.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        options = [name for option in self.get_params(ctx) for name in option.opts if name.startswith("-")]
        takes_pattern = "--audio" in args
        try:
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except TyperException as error:
            if takes_pattern and "extra argument" in str(error):  # the shell has filled in a pattern
                ctx.fail(
                    "--audio: expected a file, or a pattern in quotes ('talks/*.wav'), found several files"
                )
            if not hasattr(error, "possibilities"):
                raise
            other = "; settings are given by --set NAME=VALUE" if "--set" in options else ""
            hint = did_you_mean(str(error.option_name), options) or other  # type: ignore[attr-defined]
            ctx.fail(f"{error.message}{hint}")
        return rest

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, whose flags have no type."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for each in parameters:
            if isinstance(each, TyperArgument):
                each.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
            elif getattr(each, "is_flag", False):
                each.metavar = ""
        return parameters

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option ``--help``, which is a flag, too."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.metavar = ""
        return option


class Command(Plain, TyperCommand):
    """A command of functions."""


class RunCommand(Command):
    """`antiphon run`; with the name of a flow before ``--help`` it explains that flow."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Print a flow's help and end, or go on as usual."""
        if args and args[0] in FLOWS and {"--help", "-h"} & set(args):
            HELP["printing"].print_help(args[0], all_of_them="--all" in args)
            ctx.exit()
        return super().parse_args(ctx, args)


class Group(Plain, TyperGroup):
    """`antiphon`: the name of a flow is no command, but says what was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names; a flow is refused with the command that runs it."""
        if args and args[0] in FLOWS.keys() - self.commands.keys():
            ctx.fail(f"No such command '{args[0]}'. Did you mean 'antiphon run {args[0]}'?")
        return super().resolve_command(ctx, args)
