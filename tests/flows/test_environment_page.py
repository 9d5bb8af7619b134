"""docs/use/environment.md has every variable of the environment that the code reads, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.serving import ROOT

PREFIX = "ANTIPHON_SERVED"  # fields of endpoints, which served.md lists


def test_the_page_of_variables_has_those_of_the_code() -> None:
    files = [
        path for room in ("components", "tasks", "reports", "flows") for path in (ROOT / room).rglob("*.py")
    ]
    read = {name for path in files for name in _variables_of(path)}
    page = (ROOT / "docs/use/environment.md").read_text(encoding="utf-8")
    named = set(re.findall(r"ANTIPHON_[A-Z0-9_]+", page))
    assert {name for name in named if not name.startswith(PREFIX)} == {
        name for name in read if not name.startswith(PREFIX)
    }


def _variables_of(path: Path) -> set[str]:
    """Return the texts of a module that are names of variables, docstrings and messages left out."""
    text = path.read_text(encoding="utf-8")
    if "ANTIPHON_" not in text:
        return set()
    values = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {
        value for value in values if isinstance(value, str) and re.fullmatch("ANTIPHON_[A-Z0-9_]+", value)
    }
