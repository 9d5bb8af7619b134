"""`-q` and `-v` at every command, and which log lines they let through."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import prefect
import pytest

from components.compute.progress import report_download
from flows.cli.compute.run_display import OwnLines, ShortLines, display_run
from flows.cli.help.command_entries import Commands
from flows.cli.help.verbosity import Verbosity, set_verbosity, verbosity
from flows.cli.main import exit_code_of
from tests.command import run_command

PREFECT = str(Path(prefect.__file__).parent / "flow_engine.py")


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    set_verbosity(quiet=False, verbose=0)


def line(level: int, path: str = "/ours/tasks/progress.py", *, progress: bool = False) -> logging.LogRecord:
    record = logging.LogRecord("prefect.task_runs", level, path, 1, "asr: %d of 2", (1,), None)
    if progress:
        record.antiphon_progress = True
    return record


def test_no_notice_moves_a_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("\x1b[2J")

    exit_code_of(fail)
    assert "found RuntimeError: ⟨U+001B⟩[2J (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("quiet", "verbose", "ours", "prefects", "error", "prefects_error"),
    [
        (True, 0, False, False, True, False),
        (False, 0, True, False, True, False),
        (False, 1, True, True, True, True),
    ],
)
def test_what_is_printed_of_a_log(
    quiet: bool, verbose: int, ours: bool, prefects: bool, error: bool, prefects_error: bool
) -> None:
    set_verbosity(quiet=quiet, verbose=verbose)
    lines = OwnLines(is_live=False)
    assert lines.filter(line(logging.INFO)) == ours
    assert lines.filter(line(logging.INFO, PREFECT)) == prefects
    assert lines.filter(line(logging.ERROR)) == error
    assert lines.filter(line(logging.ERROR, PREFECT)) == prefects_error


def test_progress_that_a_terminal_shows_as_it_moves_is_not_printed_as_well() -> None:
    assert OwnLines(is_live=False).filter(line(logging.INFO, progress=True))
    assert not OwnLines(is_live=True).filter(line(logging.INFO, progress=True))


def test_what_prefect_has_yet_to_send_at_its_end_is_no_warning_for_a_user() -> None:
    late, other = line(logging.WARNING, PREFECT), line(logging.WARNING, PREFECT)
    late.msg = "Still processing items: 2 items remaining..."
    assert [OwnLines(is_live=False).filter(each) for each in (late, other)] == [False, True]


def test_a_line_is_the_time_and_what_is_said() -> None:
    formatted = ShortLines().format(line(logging.INFO))
    assert formatted[8:] == " asr: 1 of 2"
    assert ShortLines().format(line(logging.WARNING))[8:] == " warning: asr: 1 of 2"


def test_every_command_takes_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in Commands().values():
        for each in getattr(command, "commands", {"": command}).values():
            assert {"quiet", "verbose"} <= {parameter.name for parameter in each.params}
    ended = run_command(capsys, "runs", "list", "-vv", "--store", str(tmp_path))
    assert verbosity() == Verbosity.DEBUG
    assert "no runs" in ended.out


def test_without_a_terminal_nothing_moves_but_a_line_says_at_once_that_it_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with display_run() as display:
        assert display.live is None
        assert capsys.readouterr().err[8:] == " starting\n"
    set_verbosity(quiet=True, verbose=0)
    with display_run():
        assert capsys.readouterr().err == ""


def test_in_a_terminal_lines_move_until_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with display_run() as display:
        assert display.live is None
    monkeypatch.setenv("TERM", "xterm-256color")
    with display_run() as display:
        display.attach()
        assert report_download("whisper", 10, 20)
        display.show_phase("loading the models")
        display.live._live.refresh()
    assert "loading the models" in terminal.getvalue()
    assert not report_download("whisper", 20, 20)
    monkeypatch.setenv("CI", "true")
    with display_run() as display:
        assert display.live is None
