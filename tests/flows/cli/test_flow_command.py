"""A command is its parameters model: flags, types and help come from the fields."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.cli.compute import flow_command as module
from flows.cli.compute import run as run_module
from flows.cli.compute.flow_command import flow_command


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> tuple[typer.Typer, list[tuple[Any, ...]]]:
    """The command `blame` of its model, and what it runs."""
    calls: list[tuple[Any, ...]] = []

    def run_flow(name: str, config: object, sets: list[str], values: object, *, as_json: bool) -> int:
        calls.append((name, sets, values, as_json))
        return 0

    monkeypatch.setattr(module, "run_flow", run_flow)
    made = typer.Typer()
    made.command()(flow_command("blame", "segments", positional="run", help="Say who loses what."))
    return made, calls


def test_flags_are_fields_and_only_what_is_set_is_passed(app: tuple[typer.Typer, list[Any]]) -> None:
    command, calls = app
    result = CliRunner().invoke(command, ["first", "--segments", "gold.jsonl", "--set", "seed=2", "--json"])
    assert result.exit_code == 0, result.output
    assert calls == [("blame", ["seed=2"], {"run": "first", "segments": "gold.jsonl"}, True)]


def test_the_help_is_what_the_fields_say(app: tuple[typer.Typer, list[Any]]) -> None:
    shown = " ".join(CliRunner().invoke(app[0], ["--help"], env={"COLUMNS": "200"}).output.split())
    assert "Say who loses what." in shown
    assert "a finished run of any pipeline that translates speech" in shown
    assert "--replace" in shown


def test_run_simultaneous_replays_what_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def compute(name: str, config: object, sets: list[str], values: object, **_: object) -> tuple[Any, str]:
        calls.append((name, sets, values))
        return SimpleNamespace(name="talks-2"), "here"

    def replay(name: str, config: object, sets: list[str], values: object, **options: object) -> int:
        calls.append((name, sets, values, options["as_json"]))
        return 3

    monkeypatch.setattr(run_module, "compute_flow", compute)
    monkeypatch.setattr(run_module, "run_flow", replay)
    monkeypatch.setattr(run_module, "print_result", lambda *_, **__: 0)
    made = typer.Typer()
    made.command()(run_module.run)
    flags = ["--set", "seed=2", "--store", "here", "--simultaneous", "--chunk", "0.5", "--json"]
    assert CliRunner().invoke(made, ["cascade", *flags]).exit_code == 3
    assert calls == [
        ("cascade", ["seed=2"], {"store": "here"}),
        ("simultaneous", [], {"run": "talks-2", "store": "here", "chunk": [0.5]}, True),
    ]
