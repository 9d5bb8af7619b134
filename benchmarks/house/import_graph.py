"""Who imports whom in the house, read from its files; nothing of them is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from benchmarks.common.paths import ROOT

PACKAGES = ("components", "reports", "tasks", "flows", "antiphon")


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    """Every module of the house by its dotted name."""
    return {module_of(path): path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))}


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, including those inside functions and of `importlib`."""
    tree = ast.parse(source)
    for node in ast.walk(tree) if "import_module" in source else _statements(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _name_of(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements below a node, at any depth; they are a tenth of all nodes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def _name_of(function: ast.expr) -> str:
    """The last name of what is called; empty where that is another expression."""
    return getattr(function, "attr", getattr(function, "id", ""))


def imported_module(name: str) -> str | None:
    """The module of the house that a dotted name of an import is, or is a name of; None for others."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


@cache
def arrows() -> list[tuple[str, int, str]]:
    """Every import of one module of the house by another: who, in which line, whom."""
    return [
        (module, line, target)
        for module, path in modules().items()
        for line, name in imports(path.read_text(encoding="utf-8"))
        if (target := imported_module(name)) is not None and target != module
    ]


def packages_of(module: str) -> set[str]:
    """The packages around a module, whose ``__init__`` its import runs, and itself."""
    parts = module.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


def reach(roots: Iterable[str]) -> set[str]:
    """The modules that some modules import, directly or through others, and these themselves.

    Args:
        roots: where to begin.
    """
    targets: dict[str, set[str]] = {}
    for module, _, target in arrows():
        targets.setdefault(module, set()).update(packages_of(target) & modules().keys())
    reached: set[str] = set()
    pending = [name for root in roots for name in packages_of(root) & modules().keys()]
    while pending:
        module = pending.pop()
        if module not in reached:
            reached.add(module)
            pending += targets.get(module, ())
    return reached
