"""`antiphon edit` where no run is needed; tests/flows/test_edit.py has the rest."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.storage.store import Store
from flows.cli.files.edit import read_edits_of, system_user
from tests.command import run_command
from tests.components.export.example_run import new_store, write_run
from tests.components.storage.test_store import record


@pytest.mark.parametrize("fault", [KeyError("getpwuid(): uid not found: 1234"), OSError("No username set")])
def test_a_user_without_a_name_is_asked_for_one(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise fault

    monkeypatch.setattr(getpass, "getuser", fail)
    with pytest.raises(ConfigError, match=r"^--by: expected a name"):
        system_user()


def test_a_run_of_no_pipeline_cannot_be_edited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(str(tmp_path)).save_run(record("mine", flow="compare"))
    ended = run_command(capsys, "edit", "mine", "asr", "--from", "a.tsv", "--store", str(tmp_path))
    assert ended.code == 2
    line = "antiphon: run mine: expected a run of one pipeline over data, found one of compare\n"
    assert ended.err == line


def test_how_a_file_was_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(new_store(tmp_path))
    node = run.pipeline.node("mt")
    assert node is not None
    (tmp_path / "mt.tsv").write_bytes("id\ttext\ntalk@10\tDas Endstück.\n".encode("latin-1"))
    (correction,) = read_edits_of(run, node, tmp_path / "mt.tsv", "ann").corrections
    assert correction.text == "Das Endstück."
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("antiphon: mt.tsv: read as ")
    assert second == "antiphon: of 3 texts of mt 1 corrected (talk@10)"
