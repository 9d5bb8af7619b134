"""The commands of `antiphon`, which come by the entry-point group ``antiphon.commands``.

An entry names a function, whose arguments are the command's, or a ``typer.Typer`` with commands of its own.
It is imported when it is called; in the list of all commands stands what its file says of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command_from_info, get_group_from_info
from typer.models import CommandInfo, TyperInfo

from components.extensions import Extensions, accept_callable
from components.text.suggestions import did_you_mean
from flows.cli.help.commands import Command, Group
from flows.cli.help.verbosity import with_verbosity

COMMANDS: Extensions[Any] = Extensions("antiphon.commands", "command", accept_callable)
FIRST = ("transcribe", "translate", "init", "plan", "run", "compare", "runs")
"""Commands that stand first in their panel; the others follow by their names."""
PANELS = ("Use", "Build", "Judge", "Keep", "More")
"""Panels of the list of all commands; a module names that of its commands, ``PANEL = "Judge"``."""
MARKUP: Any = "markdown"


class Commands(Mapping[str, Any]):
    """Every command by its name, made when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = make_command(name, COMMANDS[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        first = [name for name in FIRST if name in COMMANDS]
        return iter([*first, *(name for name in COMMANDS if name not in first)])

    def __len__(self) -> int:
        return len(COMMANDS)


class MainGroup(Group):
    """`antiphon` with the commands of every entry."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = Commands()
        self._lists = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, panel by panel."""
        return sorted(self.commands, key=lambda name: PANELS.index(read_panel(COMMANDS.target(name))))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name; for a list what its file says of it."""
        if self._lists:
            target = COMMANDS.target(cmd_name)
            return Command(cmd_name, short_help=read_summary(target), rich_help_panel=read_panel(target))
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant; a word that only what commands do has leads to that one."""
        word = args[0] if args else ""
        if len(word) > 4 and word not in self.commands and not did_you_mean(word, self.commands):
            does = {name: read_summary(COMMANDS.target(name)) for name in self.commands}
            if found := [name for name, text in does.items() if word in text]:
                ctx.fail(f"No such command '{word}'. antiphon {found[0]}: {does[found[0]]}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, for which no command is imported."""
        self._lists = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._lists = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the commands that begin so, of which none is imported."""
        self._lists = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._lists = False


def make_command(name: str, entry: Any) -> Any:
    """Return the command of a function or of a typer app, with the options ``-q`` and ``-v``."""
    if not isinstance(entry, typer.Typer):
        cls = getattr(entry, "command_class", Command)
        info = CommandInfo(name=name, cls=cls, callback=with_verbosity(entry))
        return get_command_from_info(info, pretty_exceptions_short=True, rich_markup_mode=MARKUP)
    for command in entry.registered_commands:
        command.cls = Command
        command.callback = command.callback and with_verbosity(command.callback)
    callback = entry.registered_callback  # `antiphon runs` is a command, too
    if callback is not None and callback.callback is not None:
        callback.callback = with_verbosity(callback.callback)
    cls = entry.info.cls if isinstance(entry.info.cls, type) else Group
    return get_group_from_info(
        TyperInfo(entry, name=name, cls=cls),
        pretty_exceptions_short=True,
        suggest_commands=True,
        rich_markup_mode=MARKUP,
    )


def read_summary(target: str) -> str:
    """Return the first paragraph of what a command says of itself, read from its file.

    Args:
        target: ``module:name`` of a function, or of what a call with ``help=`` makes.
    """
    module, _, name = target.partition(":")
    for node in _read_module(module):
        text = None
        if isinstance(node, ast.FunctionDef) and (node.name == name or _is_callback(node, name)):
            text = ast.get_docstring(node)
        elif isinstance(node, ast.Assign) and any(ast.unparse(each) == name for each in node.targets):
            text = _help_of(node.value)
        if text is not None:
            return " ".join(text.partition("\n\n")[0].split())
    return ""


def read_panel(target: str) -> str:
    """Return the panel that a command's module names; ``More`` where it names none of ours."""
    for node in _read_module(target.partition(":")[0]):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PANEL":
            name = ast.unparse(node.value)[1:-1]
            return name if name in PANELS else PANELS[-1]
    return PANELS[-1]


@cache
def _read_module(module: str) -> list[ast.stmt]:
    """Return the statements of a module, which is not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return []
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body


def _is_callback(node: ast.FunctionDef, app: str) -> bool:
    """Return whether a function is what an app does without a command, whose text is the app's."""
    return any(ast.unparse(each).startswith(f"{app}.callback(") for each in node.decorator_list)


def _help_of(value: ast.expr) -> str | None:
    keywords = value.keywords if isinstance(value, ast.Call) else []
    texts = [keyword.value for keyword in keywords if keyword.arg == "help"]
    return next((str(text.value) for text in texts if isinstance(text, ast.Constant)), None)
