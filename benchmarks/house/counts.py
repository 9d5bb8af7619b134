"""What is counted: lines, members of ``Kind``, files of folders, words; by reading files, nothing is run."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from benchmarks.common.paths import ROOT
from benchmarks.house.import_graph import imported_module, modules, reach
from flows.presets.preset import read_preset

EXTENSIONS = {
    "antiphon.kinds": {"recognize", "translate"},
    "antiphon.sources": {"packaged"},
    "antiphon.recognizers": {"whisper"},
    "antiphon.translators": {"encoder-decoder"},
    "antiphon.metrics": {*("wer", "cer", "bleu", "chrf", "ter"), *("hallucinations", "hallucinated_words")},
    "antiphon.analyses": {"pools"},
    "antiphon.formats": {"txt", "tsv"},
}
"""Group of entry points -> names that a cascade with packaged models uses; ``tests/test_families.py`` runs it
where all else is hidden."""
NO_PAGES = ("docs/results", "docs/decisions", "docs/reference", "docs/log.md", "docs/evidence.md")
"""Results (docs/evidence.md is made of outputs, too), decisions, what is made of docstrings, and the log."""


def count_lines(files: Iterable[Path]) -> int:
    """Lines of files, blank ones and comments among them."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


COMMANDS = "antiphon.commands"
"""The group of entry points whose commands are counted only where they are called."""


def count_reached(*, all_commands: bool = False) -> tuple[int, int]:
    """Lines and files that ``antiphon run cascade`` with packaged models can come to import.

    ``all_commands``: count every command of ``antiphon``, not ``run`` alone.
    """
    reached = modules_of_cascade(all_commands=all_commands)
    return count_lines(modules()[module] for module in reached), len(reached)


def modules_of_cascade(*, all_commands: bool = False) -> set[str]:
    """The modules that :func:`count_reached` counts.

    Followed are imports anywhere in a file, in functions, too, and the packages around what is imported:
    from the modules of ``antiphon`` and its command ``run`` (or of all its commands), those of the flow, the
    modules that the preset's file names, and those of its kinds and of other extensions that it uses.
    """
    preset = read_preset("cascade")
    names = ["flows.preset_flow", "flows.definition", "flows.system", preset.parameters, preset.hooks]
    flow = {module for value in names if (module := imported_module(value.partition(":")[0]))}
    return reach({"flows.cli.main", *flow, *_entries(all_commands=all_commands)})


def _entries(*, all_commands: bool) -> Iterator[str]:
    """The modules of our entry points that a cascade uses, those of all commands among them if asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group, entries in project.get("entry-points", {}).items():
        for name, value in entries.items():
            module = imported_module(value.partition(":")[0])
            used = all_commands or name == "run" if group == COMMANDS else name in EXTENSIONS.get(group, ())
            if used and module:
                yield module


@cache
def classes() -> list[tuple[str, ast.ClassDef]]:
    """Every class at the top of a module of the house, with its module."""
    return [
        (module, node)
        for module, path in modules().items()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]


@cache
def kinds() -> list[tuple[str, ast.ClassDef]]:
    """The classes of kinds and of their bases, but ``Kind`` itself, with their modules."""
    names, before = {"Kind"}, 0
    while len(names) > before:
        before = len(names)
        names |= {node.name for _, node in classes() if names & set(_bases(node))}
    return [(module, node) for module, node in classes() if names & set(_bases(node))]


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        yield ast.unparse(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2]


def count_kind() -> tuple[int, int, int]:
    """Attributes and methods of ``Kind``, and how often kinds override one of these methods."""
    (kind,) = (node for _, node in classes() if node.name == "Kind")
    methods = {statement.name for statement in kind.body if isinstance(statement, ast.FunctionDef)}
    attributes = [statement for statement in kind.body if isinstance(statement, ast.AnnAssign)]
    overrides = [
        statement
        for _, node in kinds()
        for statement in node.body
        if isinstance(statement, ast.FunctionDef) and statement.name in methods
    ]
    return len(attributes), len(methods), len(overrides)


def count_files() -> list[tuple[str, int]]:
    """Folders of source with how many modules lie in them, and not deeper, the fullest first."""
    folders = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules().values())
    return folders.most_common()


def count_words() -> int:
    """Words of the README and of the pages of docs/, code among them."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    read = (page for page in pages if not page.relative_to(ROOT).as_posix().startswith(NO_PAGES))
    return sum(len(page.read_text(encoding="utf-8").split()) for page in read)
