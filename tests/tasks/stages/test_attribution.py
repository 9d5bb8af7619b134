from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import DataError
from components.records import Audio, Utterance
from tasks.stages.attribution import check_references
from tests.reports.page.test_report_view import stage

SPOKEN = Utterance(
    id="u",
    audio=Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000),
    source_language="en",
    transcript="a dog",
    references=("ein Hund",),
)


def test_errors_are_attributed_where_an_utterance_has_speech_and_both_references(tmp_path: Path) -> None:
    def check(one: Utterance) -> None:
        check_references(stage(tmp_path, "data", one))

    check(SPOKEN)
    for missing in ({"audio": None, "text": "a dog"}, {"transcript": None}, {"references": ("",)}):
        with pytest.raises(DataError, match="reference transcript"):
            check(SPOKEN.model_copy(update=missing))
