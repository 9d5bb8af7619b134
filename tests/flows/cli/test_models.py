"""``antiphon models`` as a user types it."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from components.compute.progress import report_download
from components.models.packages.packaged_models import PACKAGED_MODELS
from flows.cli.help import verbosity
from flows.cli.help.verbosity import Verbosity
from flows.cli.storage.models import _show_downloads, models_app
from tests.command import run_command

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", f"{tmp_path}/cache")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("ANTIPHON_ACCEPT_LICENCE", raising=False)


def test_list_names_every_packaged_model_with_its_licence() -> None:
    output = run(models_app, ["list"])
    assert output.exit_code == 0
    for name, row in PACKAGED_MODELS.items():
        assert name in output.stdout and row.license.split()[0] in output.stdout


def test_show_describes_a_model_without_loading_it() -> None:
    output = run(models_app, ["show", "packaged:multi30k-en-de"])
    assert output.exit_code == 0
    for part in ("MarianMTModel", "8,000 tokens", "research use", "model.safetensors", "en to de"):
        assert part in output.stdout


@pytest.mark.parametrize(
    ("command", "code"),
    [(["show", "packaged:nothing"], 2), (["fetch", "nothing"], 1), (["show", " "], 2)],
)
def test_unknown_names_are_one_line(
    command: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run_command(capsys, "models", *command)
    output = ended.err
    assert ended.code == code
    assert output.startswith("antiphon: ")
    assert output.count("\n") == 1


def test_fetch_asks_for_consent_and_goes_on_with_the_others() -> None:
    output = run(models_app, ["fetch", "gemma-3-270m", "multi30k-en-de"])
    assert output.exit_code == 1 and "--accept-licence" in output.stderr
    assert output.stdout.startswith("packaged:multi30k-en-de  sha256 ")


@pytest.mark.parametrize(
    ("options", "included", "left_out"),
    [
        ([], "multi30k-en-de", "multi30k-de-en"),
        (["fr"], "qwen2.5-coder-1.5b", "multi30k-en-de"),
        (["en", "de-AT"], "multi30k-en-de", "all-minilm-l6-v2"),
        (["und", "en"], "whisper-base", "multi30k-en-de"),
    ],
)
def test_suggestions_for_a_direction(options: list[str], included: str, left_out: str) -> None:
    output = run(models_app, ["suggest", *options])
    assert output.exit_code == 0
    assert f"packaged:{included} " in output.stdout
    assert f"packaged:{left_out} " not in output.stdout


def test_a_suggestion_says_whether_the_model_is_here_and_takes_codes_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = run(models_app, ["suggest", "en", "de"]).stdout
    assert "packaged:multi30k-en-de  translate, here\n" in output
    assert "packaged:whisper-base  recognize, to be fetched, 0.44 GB\n" in output
    assert "packaged:gemma-3-270m  translate, to be fetched\n" in output  # it asks for consent
    ended = run_command(capsys, "models", "suggest", "en", "cz")
    assert ended.code == 2
    assert ended.err.endswith("found 'cz'; did you mean cs?\n")


def test_downloads_are_told_as_lines_as_moving_bars_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for quiet, is_terminal in ((False, False), (True, True), (False, True)):
        monkeypatch.setattr(verbosity, "_current", Verbosity.QUIET if quiet else Verbosity.NORMAL)
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        with _show_downloads() as tell:
            report_download("whisper", 10, 20)
            report_download("whisper", 20, 20)
            tell("fetching [whisper]")
        printed = capsys.readouterr().err
        assert ("fetching [whisper]" in printed) == (not quiet)
        assert ("20/20 bytes" in printed) == (is_terminal and not quiet)
