"""The main job with the real packaged models on real sound: what `make demo` does, on four utterances."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import malformed
from tests.command import run_command
from tests.components.storage.written import lines_at
from tests.manifests import write_rows

ROOT = Path(__file__).parents[2]
SHIPS = ("--set", "mt.model=packaged:multi30k-en-de")
"""The translator that ships; other data than the sample would get a much larger one."""
pytestmark = [pytest.mark.models, pytest.mark.server, pytest.mark.usefixtures("server")]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    ended = run_command(capsys, "run", "cascade", "--json", *arguments)
    return ended.code, ended.line


def outputs(said: Any, stage: str) -> list[dict[str, Any]]:
    path = next(Path(one["path"]) for one in said["stages"] if one["stage"] == stage)
    return [json.loads(line) for line in lines_at(path)]


def test_written_texts_need_no_recognizer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty cache and no package registry: the translator that ships is all that a run of texts takes."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    for language, line in (("en", "A man is walking his dog."), ("de", "Ein Mann führt seinen Hund aus.")):
        (tmp_path / f"s.{language}").write_text(f"{line}\n")
    data = f"{tmp_path}/s.en,{tmp_path}/s.de"
    code, output = run(
        capsys, "--data", data, "--target-language", "de", "--store", str(tmp_path / "store"), *SHIPS
    )
    assert code == 0
    assert [stage["stage"] for stage in output["stages"]][:2] == ["data", "mt"]


def test_the_cascade_hears_and_translates_and_a_rerun_loads_nothing_heavy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prefect_url: str
) -> None:
    """Then every stage is reused, in a process that imports neither torch nor what stands on it."""
    arguments = ["--data", "sample", "--limit", "4", "--store", str(tmp_path)]
    code, output = run(capsys, *arguments)
    assert code == 0
    assert output["metrics"]["wer"]["value"] < 20
    assert output["metrics"]["chrf"]["value"] > 40
    for stage in ("asr", "mt"):
        for one in outputs(output, stage):
            assert 1 <= len(one["hypotheses"]) <= 5  # Whisper's beam often differs in timestamps alone
            assert all(hypothesis["score"] < 0 for hypothesis in one["hypotheses"])
    assert "Jungen" in outputs(output, "mt")[1]["hypotheses"][0]["text"]  # two boys
    assert (Path(output["path"]) / "report.html").stat().st_size > 100_000

    again = (
        "import sys\nfrom flows.cli.main import main\n"
        f"try: main(['run', 'cascade', '--json', *{arguments!r}])\n"
        "finally: print({'torch', 'transformers', 'whisper'} & sys.modules.keys())\n"
    )
    environment = {**os.environ, "PREFECT_API_URL": prefect_url}
    # What torch says of this machine, which the first process without it keeps; then what else a run loads.
    facts = (
        "from components.compute.machine import describe_numerics\ndescribe_numerics()\n"
        "import components.translation.factory\n"
        "from flows.cli.main import main\nmain(['--version'])\n"
    )
    for program in (facts, again):
        process = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "leaked" not in process.stderr  # what libraries complain of where objects are left at the end
    *_, output, heavy = process.stdout.splitlines()
    assert all(one["reused"] for one in json.loads(output)["stages"])
    assert heavy == "set()"


def test_a_bad_recording_is_named_and_the_good_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from components.data import load

    good = load("sample", limit=1).utterances[0].audio
    (tmp_path / "text.wav").write_text("this is not sound")
    malformed.write_tone(tmp_path / "cut.wav", seconds=2.0)
    whole = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    rows = [{"id": name, "audio": name} for name in ("text.wav", "cut.wav", good.path)]
    manifest = write_rows(tmp_path / "data.jsonl", rows)
    code, output = run(capsys, "--data", manifest, "--store", str(tmp_path / "store"), *SHIPS)
    assert code == 3
    assert output["status"] == "completed with quarantine"
    assert [one["utterance_id"] for one in outputs(output, "mt")] == [good.path]
    assert output["stages"][0]["quarantined"] == 2
