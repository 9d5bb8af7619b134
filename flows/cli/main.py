"""The `antiphon` command. Results go to standard output, progress and logs to standard error."""

from __future__ import annotations

import atexit
import gc
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from components.errors import AntiphonError, ConfigError
from flows.cli.compute.launchers import LAUNCHERS, is_one_of_several
from flows.cli.help.command_entries import MainGroup
from flows.cli.help.verbosity import print_notice

_GC_THRESHOLD = (50_000, 20, 100)
"""Thresholds of Python's garbage collector: with its own (700, 10, 10) a fifth of the CPU time of importing
Prefect and torch goes into looking for cycles that are not there."""
app = typer.Typer(
    name="antiphon",
    cls=MainGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Speech to text and translations, by many models as one system, and how good it is.

A talk: `antiphon transcribe talk.mp4 --out talk.srt`. A system: `antiphon init`, then `antiphon run`.
A question: `antiphon compare RUN RUN`.

Exit codes: 0 done; 3 done, some records quarantined; 2 wrong usage or configuration; 1 failed.""",
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"antiphon {version('antiphon')}{_commit()}")
        raise typer.Exit


def _commit() -> str:
    """Return the commit of this code in a checkout; empty elsewhere."""
    root = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    command = [git, "-C", str(root), "rev-parse", "--short=10", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""


@app.callback()
def _antiphon(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, metavar="", help="print the version"
        ),
    ] = False,
) -> None:
    """Options before the subcommands; the help text is the app's."""


def _end_quickly() -> None:
    """Spare Python half a second of looking through all objects at its end."""
    if "torch" not in sys.modules:  # its libraries would report objects that are left as leaked
        gc.freeze()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command; errors that a user can mend are one line on standard error."""
    gc.set_threshold(*_GC_THRESHOLD)
    atexit.register(_end_quickly)  # first, so that it comes last
    call = partial(_call_app, sys.argv[1:] if arguments is None else arguments)
    if not is_one_of_several():
        sys.exit(exit_code_of(call))
    launcher = LAUNCHERS.only()
    sys.exit(launcher.hand_over(exit_code_of(partial(launcher.lead_or_follow, call))))


def _call_app(arguments: list[str]) -> object:
    for argument in arguments:
        if not argument.isascii() and any("\udc80" <= letter <= "\udcff" for letter in argument):
            raise ConfigError(
                f"expected arguments in UTF-8, found {ascii(argument)[:200]}; "
                "rename the file, or set LC_ALL=C.UTF-8"
            )
    code: object = app(args=arguments, prog_name="antiphon", standalone_mode=False)
    if code == 128 + signal.SIGINT:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt
    return code


def exit_code_of(call: Callable[[], object]) -> int:
    """Call, print expected errors in one line per fault, and return the exit code."""
    try:
        code = call()
    except typer.TyperException as error:
        show = getattr(error, "show", None)  # usage errors know how to print themselves
        show() if show is not None else print_notice(str(error))
        return 2
    except ConfigError as error:
        for fault in str(error).splitlines():
            print_notice(fault)
        return 2
    except (AntiphonError, OSError) as error:
        print_notice(str(error))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        print_notice("interrupted")
        return 128 + signal.SIGINT
    except Exception as error:
        from components.files.fault_reports import explain

        print_notice(str(explain(error, "expected no fault")))
        return 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
