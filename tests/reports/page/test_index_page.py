from __future__ import annotations

from pathlib import Path

import pytest

from components.run_record import RunRecord
from components.storage.runs.run_listing import RunEntry
from reports.page.index_page import write_index
from tests.reports.example_runs import cascade, node


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


def page_of(folder: Path, run: RunRecord) -> str:
    entry = RunEntry("mine", "completed", "2026-11-26T17:00:00+00:00", run)
    return write_index([entry], folder).read_text(encoding="utf-8")


def test_a_comparison_has_the_runs_that_it_compares_in_the_place_of_data(tmp_path: Path) -> None:
    run = cascade(tmp_path, 3, audio=False).run
    compared = run.model_copy(update={"systems": {"a": "tuesday", "b": "friday"}})
    assert '<td data-label="data">tuesday, friday</td>' in page_of(tmp_path, compared)


def test_each_model_is_named_once_and_a_run_without_times_has_no_duration(tmp_path: Path) -> None:
    run = cascade(tmp_path, 3, audio=False).run
    models = {"model": "packaged:whisper-base", "gate": "hub:gate"}
    nodes = (node("asr", "recognize", "data", models=models), node("mt", "translate", "asr", models=models))
    graph = run.pipeline.model_copy(update={"nodes": nodes})
    changed = run.model_copy(update={"pipeline": graph, "finished": ""})
    page = page_of(tmp_path, changed)
    assert '<td data-label="models" class="breaks">whisper-base, hub:gate</td>' in page
    assert '<td class="n" data-label="seconds"></td>' in page
    assert '<td class="n" data-label="seconds">60</td>' in page_of(tmp_path, run)
