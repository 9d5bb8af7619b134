"""`antiphon export --for-edit`: the texts of one node in files that a person corrects."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from components.errors import ConfigError

if TYPE_CHECKING:
    from components.export.for_edit import EditFormat
    from flows.parameters.written_texts import ExportParameters


def export_for_edit(parameters: ExportParameters) -> list[Path]:
    """Write the texts of a node into files to edit, which come back; print them, and what to do with them.

    Raises:
        AntiphonError: no such run or node, another format, or a file that holds something else.
    """
    from components.editing.run_texts import node_to_edit, texts_of_node
    from components.export.for_edit import write_for_edit
    from components.storage.store import Store

    nodes, out = parameters.node, parameters.out
    if len(nodes) != 1:
        raise ConfigError(
            f"--for-edit: expected one --node, such as --node asr, found {len(nodes) or 'none'}"
        )
    run = Store(parameters.store).load_run(parameters.run)
    node = node_to_edit(run, nodes[0])
    format_name = edit_format_of(parameters.format, out)
    path = Path(out or f"{run.name}-{nodes[0]}" + ("" if format_name == "srt" else f".{format_name}"))
    files = write_for_edit(
        texts_of_node(run, node), format_name, path, node.name, overwrite=parameters.overwrite
    )
    for file in files:
        typer.echo(str(file))
    source = quote(str(files[0] if len(files) == 1 else path))
    typer.echo(f"correct the texts, then: antiphon edit {run.name} {nodes[0]} --from {source}", err=True)
    return files


def edit_format_of(form: str | None, out: str | None) -> EditFormat:
    """Return the format that is named, else that of the file, else tsv.

    Raises:
        ConfigError: it is another one.
    """
    name = form or Path(out or "").suffix.removeprefix(".").lower() or "tsv"
    if name == "tsv":
        return "tsv"
    if name == "srt":
        return "srt"
    if name == "docx":
        return "docx"
    raise ConfigError(f"--for-edit: expected --format tsv, docx or srt, found {name!r}")
