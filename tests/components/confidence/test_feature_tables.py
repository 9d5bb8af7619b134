"""The tables of docs/evaluation/confidence.md are those of the code."""

from __future__ import annotations

from pathlib import Path

from components.confidence.features import FEATURES, WORD_FEATURES

PAGE = Path(__file__).parents[3] / "docs/evaluation/confidence.md"


def test_every_feature_stands_on_the_page_as_the_table_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [f"| `{name}` | {row.summary} | {row.needs} | {row.source} |" for name, row in FEATURES.items()]
    rows += [f"| `{name}` | {row.summary} | {row.needs} |" for name, row in WORD_FEATURES.items()]
    missing = [row for row in rows if row not in page]
    assert not missing, "write into docs/evaluation/confidence.md:\n" + "\n".join(missing)
