from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from components.errors import DataError
from components.records import Quarantined
from reports.terminal.run_printing import print_data, print_quarantined, print_run, print_stage
from reports.terminal.utterance_printing import print_utterance
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade


@pytest.fixture
def view(tmp_path: Path) -> RunView:
    return cascade(tmp_path, 12)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200, color_system=None)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_run(view: RunView, console: Console) -> None:
    print_run(view, console)
    for part in ("2026-11-24-cascade", "packaged:whisper-base", "48.7 s", "858 MiB", "reused", "bleu"):
        assert part in text(console)
    assert "32.50 to 37.20" in text(console)
    assert "11 of 12" in text(console)


def test_stage(view: RunView, console: Console) -> None:
    print_stage(view, "asr", console)
    assert "11 shown, 1 quarantined" in " ".join(text(console).split())
    assert "unreadable audio" in text(console)
    with pytest.raises(DataError, match="asr, mt"):
        print_stage(view, "xyz", console)


def test_utterance(view: RunView, console: Console) -> None:
    print_utterance(view, "caption-0005", console)
    printed = text(console)
    assert "[dogs→fog]" in printed
    assert "WER 14.3" in printed
    assert "Zwei Hunde laufen durch den Schnee." in printed
    with pytest.raises(DataError, match="nobody"):
        print_utterance(view, "nobody", console)


def test_markup_and_control_characters_are_text(view: RunView, console: Console) -> None:
    utterance = view.utterances[3].model_copy(update={"transcript": "[red]x[/red] \x1b[2J \u202e"})
    print_utterance(RunView(view.run, [utterance], view.outcomes), utterance.id, console)
    assert "[red]x[/red] ⟨U+001B⟩[2J ⟨U+202E⟩" in text(console)


def test_why_records_were_quarantined(view: RunView, console: Console) -> None:
    bad = Quarantined(utterance_id="u1", stage="data", reason="missing audio", detail="m:3: \x1b[2J none")
    print_quarantined("data", [bad], 3, "mine", console)
    printed = text(console)
    assert "data: 3 quarantined" in printed
    assert "u1: missing audio: m:3: ⟨U+001B⟩[2J none" in printed
    assert "and 2 more: antiphon inspect mine --node data" in printed
    print_data(view, [bad], console)
    assert "caption-0005" in text(console)
    assert "12 of 12 shown, 1 quarantined" in text(console)
