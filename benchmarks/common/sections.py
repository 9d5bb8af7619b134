"""How a section of the benchmarks runs: it measures, what it measured is stored, and its page is written.

A section is a module with ``PAGE`` (name of its page), ``OPTIONS`` (name -> :func:`option`, if any) and
``measure(options)``, which yields each :class:`Result` as soon as it is there, so that an interrupted run
loses one part at most. How the page is written is a row of a module of :mod:`benchmarks.pages`.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from benchmarks.common.manifest import describe_run, portable
from benchmarks.common.measurements import MissingPartError, Part, store_part
from benchmarks.common.paths import RESULTS
from benchmarks.pages.page import write_page


class Result(NamedTuple):
    """One part of a page's measurements: JSON values, and the models that were run."""

    part: str
    values: Any
    models: Sequence[str] = ()


def option(default: Any, text: str | None = None, **more: Any) -> dict[str, Any]:
    """An option of a section, as argparse takes it.

    Args:
        default: its value, of its type, unless it is set; a list has the type of its items. A type: None.
        text: says what it is.
        more: further arguments of ``add_argument``.
    """
    if isinstance(default, type):
        return {"type": default, "help": text, **more}
    several = {"nargs": "+"} if isinstance(default, list | tuple) else {}
    first = next(iter(default), "") if several else default
    kind = Path if isinstance(first, Path) else type(first)
    return {"type": kind, "default": default, "help": text, **several, **more}


def make_parser(module: ModuleType, command: str) -> argparse.ArgumentParser:
    """The parser of a section; ``command`` follows ``python -m``, as ``benchmarks.speed training``."""
    parser = argparse.ArgumentParser(f"python -m {command}", description=module.__doc__, allow_abbrev=False)
    _add_common_options(parser)
    for name, arguments in getattr(module, "OPTIONS", {}).items():
        parser.add_argument(f"--{name}", **arguments)
    return parser


def run_section(package: str, sections: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Measure one section of ``package`` and write its page."""
    if not arguments or arguments[0] not in sections:
        print(
            f"usage: python -m {package} SECTION [options]; sections: {', '.join(sections)}", file=sys.stderr
        )
        sys.exit(2)
    section, *rest = arguments
    module = importlib.import_module(sections[section])
    measure_section(module, f"{package} {section}", rest)


def measure_section(module: ModuleType, command: str, arguments: Sequence[str]) -> None:
    """Measure, store every part as it comes, then write the page from what is stored."""
    options = make_parser(module, command).parse_args(arguments)
    own = {key: portable(value) for key, value in vars(options).items() if key not in {"out", "note"}}
    typed = shlex.join(["python", "-m", *command.split(), *map(portable, _own_arguments(arguments))])
    manifest = describe_run(typed, settings=own, notes=tuple(options.note))
    for result in module.measure(options):
        digests = manifest.model_copy(update={"models": _digests(result.models)})
        store_part(module.PAGE, Part(part=result.part, manifest=digests, results=result.values), options.out)
    try:
        print(write_page(module.PAGE, options.out))
    except MissingPartError as error:
        sys.exit(f"{error}. What was measured is stored; the page needs the rest")


def _digests(references: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the weights and configuration of each model."""
    from components.models import resolve

    return {reference: resolve(reference).sha256 for reference in references}


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the page and of outputs/")
    parser.add_argument("--note", action="append", default=[], help="sentence for the page, stored with it")


def _own_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments without those that all sections have."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_common_options(common)
    return common.parse_known_args(arguments)[1]
