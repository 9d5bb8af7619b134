from __future__ import annotations

from pathlib import Path

import pytest

from components.storage.run_listing import RunEntry
from reports.page.index_page import write_index
from tests.reports.example_runs import cascade


@pytest.mark.parametrize(
    ("parameters", "cell"),
    [
        ({"data": "sample"}, "sample"),
        ({"data": "sets/a.en,sets/a.de"}, "a.en, a.de"),
        ({"data": None, "audio": "talks/a.wav\ntalks/b & c.wav"}, "a.wav, b &amp; c.wav"),
        ({"audio": "\n".join(f"talks/{n}.wav" for n in range(9))}, "0.wav, 1.wav, 2.wav, 6 more"),
        ({}, ""),
    ],
)
def test_data_are_named_by_their_files(tmp_path: Path, parameters: dict[str, object], cell: str) -> None:
    run = cascade(tmp_path, 3, audio=False).run.model_copy(update={"parameters": parameters})
    page = write_index([RunEntry("mine", "completed", "2026-11-26T17:00:00+00:00", run)], tmp_path)
    assert f'<td data-label="data">{cell}</td>' in page.read_text(encoding="utf-8")
