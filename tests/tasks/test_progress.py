from __future__ import annotations

import logging

import pytest

from reports.terminal.node_progress import NodeEnd, NodeProgress
from tasks import progress


class Shown:
    """A display that notes what it is to show."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def show_phase(self, text: str) -> None:
        self.calls.append(text)

    def update(self, progress: NodeProgress) -> None:
        self.calls.append(f"begin {progress.node}")

    def end(self, ended: NodeEnd) -> None:
        self.calls.append(f"end {ended.node}")


def test_a_display_shows_what_happens_during_its_block_and_all_of_it_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "get_run_logger", lambda: logging.getLogger("run"))
    display = Shown()
    with caplog.at_level("INFO", "run"):
        with pytest.raises(KeyError), progress.show_on(display):
            progress.show_phase("scoring")
            begun = NodeProgress("asr", 40)
            assert progress.show_begin(begun) is begun
            progress.show_end(NodeEnd("asr", "failed", error="no model"))
            raise KeyError
        progress.show_phase("later")
        progress.show_end(NodeEnd("mt", "failed", error="no voice"))
    assert display.calls == ["scoring", "begin asr", "end asr"]
    lines = ["scoring", "asr: failed: no model", "later", "mt: failed: no voice"]
    assert [line.getMessage() for line in caplog.records] == lines
    assert all(line.antiphon_progress for line in caplog.records)  # type: ignore[attr-defined]
