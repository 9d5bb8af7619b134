"""The reference that `make docs` writes: a page of every module, without a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

pytest.importorskip("pdoc", reason="needs pdoc (extra dev)")


def test_every_module_has_a_page(tmp_path: Path) -> None:
    from tests import reference

    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        # pdoc evaluates annotations of re-exported dataclasses where they are re-exported; it shows the text.
        warnings.filterwarnings("ignore", "Error parsing type annotation", module="pdoc")
        reference.write(tmp_path)
    pages = {".".join(p.relative_to(tmp_path).with_suffix("").parts) for p in tmp_path.rglob("*.html")}
    assert reference.modules() <= pages
    page = (tmp_path / "components" / "metrics" / "contribution.html").read_text(encoding="utf-8")
    assert "What each part of a system contributes" in page
