"""The reference that `make docs` writes: every module of the house, without a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.serving import ROOT

pdoc = pytest.importorskip("pdoc", reason="needs pdoc (extra dev)")


def test_every_module_is_in_the_reference(tmp_path: Path) -> None:
    import pdoc.render

    pdoc.render.configure(docformat="google", search=False)
    rooms = ["components", "tasks", "flows", "reports"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        # pdoc evaluates annotations of re-exported dataclasses where they are re-exported; it shows the text.
        warnings.filterwarnings("ignore", "Error parsing type annotation", module="pdoc")
        pdoc.pdoc(*rooms, output_directory=tmp_path)
    written = {path.relative_to(tmp_path).with_suffix("").parts for path in tmp_path.rglob("*.html")}
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            module = path.relative_to(ROOT).with_suffix("").parts
            assert _named(module) in written, module
    page = (tmp_path / "components" / "metrics" / "contribution.html").read_text(encoding="utf-8")
    assert "What each part of a system contributes" in page


def _named(module: tuple[str, ...]) -> tuple[str, ...]:
    return module[:-1] if module[-1] == "__init__" else module
