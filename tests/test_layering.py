"""The rule of the house: flows -> tasks -> reports -> components. Nothing points back."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "components": {"prefect", "reports", "tasks", "flows", "benchmarks", "tests"},
    "reports": {"prefect", "tasks", "flows", "benchmarks", "tests"},
    "tasks": {"flows", "benchmarks", "tests"},
    "flows": {"benchmarks", "tests"},
}
DANGEROUS = {"pickle", "dill", "cloudpickle", "marshal", "shelve"}


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level package of every import, including those inside functions and `importlib`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_points_back(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"no source files in {package}/"
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imports(path.read_text(encoding="utf-8"))
        if name in FORBIDDEN[package] | DANGEROUS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rule_would_catch_a_breach() -> None:
    source = "from prefect import task\nimport importlib\nimportlib.import_module('flows.x')\n"
    assert list(imports(source)) == [(1, "prefect"), (2, "importlib"), (3, "flows")]


def test_components_import_without_prefect() -> None:
    """A notebook user who has no Prefect can still use every component."""
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "components").rglob("*.py")
    )
    code = (
        "import sys; sys.modules['prefect'] = None\n"
        f"import importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
