"""What can be set on a flow, as a table: `antiphon run FLOW --parameters`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from rich import box
from rich.table import Table
from rich.text import Text

from flows.cli.console import console
from flows.registry import flow_named

REQUIRED = "(must be set)"


def parameter_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Name as ``--set`` takes it, default and description of every parameter, stages in their places."""
    for name, field in model.model_fields.items():
        value = REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            yield from parameter_rows(type(value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if value is None else str(value), field.description or ""


def print_parameters(flow: str) -> None:
    """Print the table of a flow's parameters.

    Raises:
        ConfigError: there is no such flow.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in ("parameter", "default", "what it is"):
        table.add_column(column, overflow="fold")
    for row in parameter_rows(flow_named(flow).parameters):
        table.add_row(*map(Text, row))
    console().print(table)
