"""The parameters of a flow for people and programs: its help, a table by groups, JSON, a YAML template."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.help.console import console
from flows.cli.help.parameters import (
    FIRST,
    ParameterRow,
    group_rows,
    parameter_rows,
    select_main,
    to_plain,
    to_yaml,
)
from flows.registry import FLOWS, flow_named

_WIDE = 100
"""Columns from which name, type, default and description stand side by side."""
_COMMENT_WIDTH = 100


def print_help(flow: str, *, all_of_them: bool = False) -> None:
    """Print what a flow does, how it is called and what is set on it most, or all that can be set.

    Raises:
        ConfigError: there is no such flow.
    """
    out, entry = console(), flow_named(flow)
    out.print(Text.assemble(("\nUsage: ", "bold"), f"antiphon run {flow} [OPTIONS]\n"))
    out.print(Text(f"{entry.summary[0].upper()}{entry.summary[1:]}.\n"))
    rows = list(parameter_rows(entry.parameters))
    flags = [f"--{row.name}".replace("_", "-") for row in rows if row.name in FLAGS]
    out.print(Text(f"Flags: {', '.join(flags)}; more: antiphon run --help."))
    out.print(Text("Anything else is set by --set NAME=VALUE or in a file, -c FILE.yaml.\n"))
    _print_selection(flow, rows, out, all_of_them=all_of_them)
    out.print(Text(f"A file with all of it: antiphon run {flow} --template > {flow}.yaml", "dim"))


def _print_selection(flow: str, rows: Sequence[ParameterRow], out: Console, *, all_of_them: bool) -> None:
    """Print the main parameters of a flow, and how many more there are; or all."""
    shown = rows if all_of_them else select_main(rows)
    print_rows(shown, out)
    if len(rows) > len(shown):
        more = f"{len(rows) - len(shown)} more: antiphon run {flow} --parameters --all"
        out.print(Text(more, "dim"))


FLAGS = frozenset({"store", "name", "replace", "audio", "data", "target_language", "limit", "until"})
"""Parameters that have a flag of `antiphon run`."""


def print_parameters(flow: str, *, as_json: bool = False, all_of_them: bool = False) -> None:
    """Print the main parameters of a flow by groups, or all; as one JSON object all.

    Raises:
        ConfigError: there is no such flow.
    """
    rows = list(parameter_rows(flow_named(flow).parameters))
    if as_json:
        values = [row._asdict() | {"default": to_plain(row.default)} for row in rows]
        typer.echo(json.dumps({"flow": flow, "summary": FLOWS[flow].summary, "parameters": values}))
        return
    _print_selection(flow, rows, console(), all_of_them=all_of_them)


def print_rows(rows: Sequence[ParameterRow], out: Console) -> None:
    """Print parameters by groups; on a narrow terminal the description stands below."""
    is_wide = out.width >= _WIDE
    width = max(len(row.name) for row in rows)
    for group, members in group_rows(rows).items():
        out.print(Text(group, "bold underline"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=width)
        table.add_column(ratio=3, overflow="fold")
        table.add_column(ratio=2, overflow="fold")
        for row in members:
            name, facts = Text(row.name, "cyan"), Text(_describe_facts(row), "dim")
            if is_wide:
                table.add_row(name, Text(row.description), facts)
            else:
                out.print(Text.assemble(name, "  ", facts))
                out.print(Text(textwrap.indent(textwrap.fill(row.description, out.width - 5), "    ")))
        if is_wide:
            out.print(table)
        out.print()


def _describe_facts(row: ParameterRow) -> str:
    if row.is_required:
        return f"{row.type}; must be set"
    return f"{row.type}; {row.default_text}" if row.default_text else row.type


def print_template(flow: str) -> None:
    """Print a YAML file with every parameter of a flow; all but what must be set are comments.

    Raises:
        ConfigError: there is no such flow.
    """
    entry = flow_named(flow)
    rows = list(parameter_rows(entry.parameters))
    lines = [
        f"## antiphon run {flow} -c FILE.yaml",
        f"## {entry.summary}",
        "## Values are the defaults. To change one, remove its '# ' and that of the group above it.",
    ]
    for section in dict.fromkeys(row.name.rpartition(".")[0] for row in rows):
        members = [row for row in rows if row.name.rpartition(".")[0] == section]
        members.sort(key=lambda row: row.group != FIRST)
        lines += ["", *_section_lines(section)]
        for row in members:
            lines += _template_lines(row, section.count(".") + 1 if section else 0)
    typer.echo("\n".join(lines))


def _section_lines(section: str) -> list[str]:
    if not section:
        return []
    depth = section.count(".")
    return [f"# {'  ' * depth}{section.rpartition('.')[2]}:"]


def _template_lines(row: ParameterRow, depth: int) -> list[str]:
    """Return a parameter as a commented line, below what it is."""
    indent, leaf = "  " * depth, row.name.rpartition(".")[2]
    facts = f"{row.description} ({row.type})"
    comment = textwrap.wrap(facts, _COMMENT_WIDTH - 4 - len(indent))
    value = to_yaml(row.default) or ("VALUE" if row.is_required else "null")
    mark = "" if row.is_required else "# "
    return [*(f"## {indent}{line}" for line in comment), f"{mark}{indent}{leaf}: {value}"]
