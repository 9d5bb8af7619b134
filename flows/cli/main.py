"""The `antiphon` command. Results go to standard output, progress and logs to standard error."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from components.errors import AntiphonError, ConfigError
from flows.cli import analyses
from flows.cli.data import data_app
from flows.cli.edit import edit
from flows.cli.inspect import inspect
from flows.cli.learn_from_edits import learn_from_edits
from flows.cli.merge import merge
from flows.cli.models import models_app
from flows.cli.plan import plan
from flows.cli.report import report
from flows.cli.run import run
from flows.cli.runs import runs

app = typer.Typer(
    name="antiphon",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Many speech and language models as one system: run it, look into each stage, find the culprit.

Start with `antiphon run cascade` (the sample set), then with your own:
`antiphon run cascade --audio talk.wav --target-language de`.

Exit codes: 0 done; 3 done, some records quarantined; 2 wrong usage or configuration; 1 failed.""",
)

for command in (run, plan, runs, inspect, report, edit, learn_from_edits, merge):
    app.command()(command)
for analysis in (analyses.compare, analyses.blame, analyses.contribution):
    app.command()(analysis)
app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"antiphon {version('antiphon')}")
        raise typer.Exit


@app.callback()
def _antiphon(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Options before the subcommands; the help text is the app's."""


def _end_quickly() -> None:
    """Spare Python half a second of looking through all objects at its end."""
    if "torch" not in sys.modules:  # its libraries would report objects that are left as leaked
        gc.freeze()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command; errors that a user can mend are one line on standard error."""
    atexit.register(_end_quickly)  # first, so that it comes last
    sys.exit(exit_code_of(lambda: _call_app(sys.argv[1:] if arguments is None else arguments)))


def _call_app(arguments: list[str]) -> object:
    for argument in arguments:
        if not argument.isascii() and any("\udc80" <= letter <= "\udcff" for letter in argument):
            raise ConfigError(
                f"expected arguments in UTF-8, found {ascii(argument)[:200]}; "
                "rename the file, or set LC_ALL=C.UTF-8"
            )
    return app(args=arguments, standalone_mode=False)


def exit_code_of(call: Callable[[], object]) -> int:
    """Call, print expected errors in one line per fault, and return the exit code."""
    try:
        code = call()
    except typer.Exit as ending:
        return ending.exit_code
    except typer.TyperException as error:
        show = getattr(error, "show", None)  # usage errors know how to print themselves
        show() if show is not None else typer.echo(f"antiphon: {error}", err=True)
        return 2
    except ConfigError as error:
        for fault in str(error).splitlines():
            typer.echo(f"antiphon: {fault}", err=True)
        return 2
    except (AntiphonError, OSError) as error:
        typer.echo(f"antiphon: {error}", err=True)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("antiphon: interrupted", err=True)
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
