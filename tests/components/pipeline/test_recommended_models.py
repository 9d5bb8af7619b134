"""The table of recommended models, as people and the commands read it."""

from __future__ import annotations

import pytest

from components.models.sources import SOURCES
from components.pipeline.advice import recommended_models
from components.pipeline.advice.recommended_models import M2M, OPUS, ROWS, WHISPER, WHISPER_TURBO, recommend


def test_each_row_names_its_languages() -> None:
    directions = {(row.task, row.model): row.direction for row in ROWS}
    assert directions["translate_speech", WHISPER] == "speech into en"
    assert directions["translate", "packaged:multi30k-en-de"] == "en to de"
    assert all(directions.values())


def test_codes_of_three_letters_name_the_same_languages() -> None:
    (opus,) = [row for row in ROWS if row.model == OPUS]
    assert opus.translates("deu", "eng")
    assert opus.reference("deu", "eng") == opus.reference("de", "en")


def _choice(task: str, source: str, target: str | None) -> str | None:
    row = recommend(task, source, target)  # type: ignore[arg-type]
    return None if row is None else row.reference(source, target)


@pytest.mark.parametrize(
    ("card", "hub", "expected"),
    [
        (False, False, [WHISPER, "packaged:qwen2.5-coder-1.5b", "packaged:gemma-3-270m", None]),
        (False, True, [WHISPER, "hub:Helsinki-NLP/opus-mt-de-en", "packaged:gemma-3-270m", None]),
        (True, True, [WHISPER_TURBO, "hub:Helsinki-NLP/opus-mt-de-en", M2M, M2M]),
        (True, False, [WHISPER, "packaged:qwen2.5-coder-1.5b", "packaged:gemma-3-270m", None]),
    ],
)
def test_the_first_that_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, card: bool, hub: bool, expected: list[str | None]
) -> None:
    monkeypatch.setattr(recommended_models, "resolve_device_type", lambda: "cuda" if card else "cpu")
    monkeypatch.setattr(SOURCES["hub"], "has", lambda repository: hub)
    choices = [
        _choice("recognize", "de", None),
        _choice("translate", "de", "en"),
        _choice("translate", "cs", "pl"),
        _choice("translate", "sw", "is"),
    ]
    assert choices == expected
