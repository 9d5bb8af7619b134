"""The command `antiphon`, run in the process of a test."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from flows.cli.main import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> Any:
        """What the last line of standard output says, in JSON."""
        return json.loads(self.out.splitlines()[-1])


def exit_code_of(*arguments: str) -> int:
    """Run a command with these arguments to its end."""
    with pytest.raises(SystemExit) as ending:
        main(list(arguments))
    return int(ending.value.code or 0)


def run_command(captured: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Run a command; gives its exit code and what was printed until it ended."""
    return Ended(exit_code_of(*arguments), *captured.readouterr())


def run_for_text(captured: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command; gives its exit code, and what it printed with what it said on standard error."""
    ended = run_command(captured, *arguments)
    return ended.code, ended.out + ended.err


def run_for_json(captured: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run a command with ``--json``; gives its exit code and its last line, or its standard error."""
    ended = run_command(captured, *arguments, "--json")
    return ended.code, ended.line if ended.code in {0, 3} else ended.err
