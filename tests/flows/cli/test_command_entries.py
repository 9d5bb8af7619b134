"""Commands come by entry points: ours, and those of packages that are installed beside us."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.extensions import Extensions, accept_callable
from flows.cli.help import command_entries
from flows.cli.help.command_entries import FIRST, Commands, read_summary
from tests.command import run_command

SOURCE = '''
"""A package whose import takes long."""

def wave(name: str, loudly: bool = False) -> None:
    """Wave to somebody.

    Examples: `antiphon wave Ann`
    """
    print(name.upper() if loudly else name)


def fall() -> None:
    raise RuntimeError("ouch")


number = 3
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with a command."""
    (tmp_path / "waving_package.py").write_text(SOURCE)
    info = tmp_path / "waving_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: waving-package\nVersion: 1\n")
    entries = [f"{name} = waving_package:{name}" for name in ("wave", "fall", "number")]
    (info / "entry_points.txt").write_text("\n".join(["[antiphon.commands]", *entries, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        command_entries, "COMMANDS", Extensions("antiphon.commands", "command", accept_callable)
    )
    yield
    sys.modules.pop("waving_package", None)


@pytest.mark.usefixtures("package")
def test_a_command_of_another_package_is_listed_without_its_import(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = run_command(capsys, "--help")
    assert "Wave to somebody." in ended.out
    assert "waving_package" not in sys.modules
    ended = run_command(capsys, "wave", "Ann", "--loudly", "-q")
    assert (ended.code, ended.out) == (0, "ANN\n")
    ended = run_command(capsys, "fall")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "found RuntimeError: ouch" in ended.err
    assert "of the package waving-package 1); the whole traceback is in " in ended.err
    ended = run_command(capsys, "number")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_every_command_says_what_it_does_and_the_first_stand_first() -> None:
    commands = Commands()
    assert list(commands)[: len(FIRST)] == list(FIRST)
    for name in commands:
        assert read_summary(command_entries.COMMANDS.target(name)).endswith(".")


def test_a_word_leads_to_the_command_that_does_it(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run_command(capsys, "latency", "base")
    assert ended.code == 2
    assert "antiphon measure: " in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("command", "option", "hint"),
    [
        ("run", "--dta", "; did you mean --data?"),
        ("transcribe", "--launguage", "; did you mean --language?"),
        ("run", "--beam-size", "; settings are given by --set NAME=VALUE"),
        ("score", "--zzz", ""),
    ],
)
def test_an_option_that_is_not_there_leads_to_one_that_is(
    capsys: pytest.CaptureFixture[str], command: str, option: str, hint: str
) -> None:
    ended = run_command(capsys, command, "cascade", option, "3")
    assert (ended.code, ended.err.splitlines()[-1]) == (2, f"Error: No such option: {option}{hint}")
