"""The table of recommended models, as people and the commands read it."""

from __future__ import annotations

from components.translation.recommended_models import ROWS, WHISPER


def test_each_row_names_its_languages() -> None:
    directions = {row.model: row.direction for row in ROWS}
    assert directions[WHISPER] == "speech into en"
    assert directions["packaged:multi30k-en-de"] == "en to de"
    assert all(directions.values())
