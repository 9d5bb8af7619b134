"""The cascade through the command line, with components that need no model."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from components import models, recognition, translation
from flows import cli
from tasks import progress
from tests.flows import fakes

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
Command = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The fakes in place of the components; gives the file that their calls are written to."""
    for module, names in {models: ["resolve"], recognition: ["Recognizer", "build"]}.items():
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    for name in ("Translator", "build"):
        monkeypatch.setattr(translation, name, getattr(translation, name))
    fakes.install()
    monkeypatch.setattr(fakes, "CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


@pytest.fixture
def antiphon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command; gives its exit code and what its last line says, or its standard error."""

    def run(*arguments: str) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as ending:
            cli.main(["run", "cascade", "--store", str(tmp_path / "store"), "--json", *arguments])
        captured = capsys.readouterr()
        code = int(ending.value.code or 0)
        said = json.loads(captured.out.splitlines()[-1]) if code in {0, 3} else captured.err
        return code, said

    return run


def stages(said: Any) -> dict[str, Any]:
    return {stage["stage"]: stage for stage in said["stages"]}


def manifest(folder: Path, *rows: dict[str, object]) -> str:
    path = folder / "data.jsonl"
    languages = {"source_language": "en", "target_language": "de"}
    path.write_text("".join(json.dumps({**languages, **row}) + "\n" for row in rows))
    return str(path)


def test_the_sample_set_then_unchanged_then_another_beam(antiphon: Command, tmp_path: Path) -> None:
    code, first = antiphon("--data", "sample", "--limit", "5", "--name", "first")
    assert code == 0
    assert first["run"] == "first"
    assert Path(first["path"]) == tmp_path / "store" / "runs" / "first"
    assert first["status"] == "completed"
    assert {"wer", "cer", "bleu", "chrf", "ter"} == set(first["metrics"])
    assert first["metrics"]["wer"]["value"] == 0
    assert first["metrics"]["bleu"]["n"] == first["metrics"]["bleu"]["n_total"] == 5
    assert [stage["stage"] for stage in first["stages"]] == ["data", "asr", "mt", "metrics"]
    assert not any(stage["reused"] for stage in first["stages"])
    files = {path.name for path in Path(first["path"]).iterdir()}
    assert {"run.json", "metrics.json", "report.html", "plots"} <= files

    _, again = antiphon("--data", "sample", "--limit", "5")
    assert all(stage["reused"] for stage in again["stages"])
    assert again["metrics"] == first["metrics"]

    _, third = antiphon("--data", "sample", "--limit", "5", "--set", "mt.beam_size=3")
    reused = {name: stage["reused"] for name, stage in stages(third).items()}
    assert reused == {"data": True, "asr": True, "mt": False, "metrics": False}


def test_a_long_stage_shows_its_progress(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY", 0.0)
    monkeypatch.setattr(progress, "_SHOW_AFTER", -1.0)
    code, _ = antiphon("--data", manifest(tmp_path, *({"id": f"u{n}", "text": "a b"} for n in range(40))))
    assert code == 0
    with get_client(sync_client=True) as client:
        named = ArtifactFilter(key=ArtifactFilterKey(any_=["mt-progress"]))
        bars = client.read_artifacts(artifact_filter=named)  # of other tests' long stages, too
    assert ("progress", 100.0, "40 items") in [(bar.type, bar.data, bar.description) for bar in bars]


def test_text_alone_skips_recognition_and_scores_without_references_are_left_out(
    antiphon: Command, tmp_path: Path, calls: Path
) -> None:
    rows = [{"id": f"u{n}", "text": "a dog"} for n in range(70)]
    code, said = antiphon("--data", manifest(tmp_path, *rows))
    assert code == 0
    assert list(stages(said)) == ["data", "mt", "metrics"]
    assert said["metrics"] == {}
    # Shards may be computed in any order; what is stored keeps the order of the data.
    assert sorted(calls.read_text().splitlines()) == ["mt u0 32", "mt u32 32", "mt u64 6"]
    written = (Path(stages(said)["mt"]["path"]) / "outputs.jsonl").read_text().splitlines()
    assert [json.loads(line)["utterance_id"] for line in written] == [row["id"] for row in rows]


def test_what_cannot_be_processed_is_put_aside_and_the_rest_goes_on(
    antiphon: Command, tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"id": "good", "text": "a dog", "references": ["ein Hund"]},
        {"id": "poison", "text": "a cat", "references": ["eine Katze"]},
        {"id": "bad audio", "audio": "absent.wav", "references": ["nichts"]},
    ]
    code, said = antiphon("--data", manifest(tmp_path, *rows), "--name", "three")
    assert code == 3
    assert said["status"] == "completed with quarantine"
    assert (stages(said)["data"]["quarantined"], stages(said)["mt"]["quarantined"]) == (1, 1)
    assert (said["metrics"]["bleu"]["n"], said["metrics"]["bleu"]["n_total"]) == (1, 3)
    notes = json.loads((Path(said["path"]) / "run.json").read_text())["notes"]
    assert notes == ["1 of 3 records quarantined in stage data", "1 of 2 records quarantined in stage mt"]


def test_nothing_but_bad_records(antiphon: Command, tmp_path: Path) -> None:
    code, said = antiphon("--data", manifest(tmp_path, {"id": "poison", "text": "a dog"}))
    assert (code, stages(said)["mt"]["quarantined"], said["metrics"]) == (3, 1, {})
    code, said = antiphon("--data", manifest(tmp_path, {"id": "a", "audio": "absent.wav"}))
    assert (code, stages(said)["data"]["quarantined"]) == (3, 1)


def test_a_recording_of_ones_own(antiphon: Command) -> None:
    from components.data.named import SAMPLES

    talk = str(Path(str(SAMPLES)).parent / "caption-01.flac")
    code, said = antiphon("--audio", talk, "--target-language", "de")
    assert code == 0
    assert (stages(said)["asr"]["items"], said["metrics"]) == (1, {})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--name", "../../x"], 2, "expected a run name"),
        (["--set", "mt.beam_sze=5"], 2, "did you mean mt.beam_size?"),
        (["--set", "mt.beam_size=0"], 2, "greater than or equal to 1"),
        (["--set", "store=nowhere://bucket"], 2, "fsspec URL"),
        (["-c", "absent.yaml"], 2, "absent.yaml"),
        (["--nothing"], 2, "--nothing"),
        (["--data", "absent.jsonl"], 1, "absent.jsonl: expected a manifest"),
    ],
)
def test_mistakes_of_a_user_are_told_in_the_last_line(
    antiphon: Command, arguments: list[str], code: int, told: str
) -> None:
    found, said = antiphon(*arguments)
    assert found == code
    assert told in said.splitlines()[-1]
    assert "antiphon: " in said or code == 2


def test_a_run_talks_to_this_machine_only(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "localhost", "::1"}:
            elsewhere.append(address)
            raise OSError("the test lets nothing out")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    assert antiphon("--data", manifest(tmp_path, {"id": "a", "text": "a dog"}))[0] == 0
    assert elsewhere == []


def test_inspect_and_report(antiphon: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row: dict[str, object] = {"id": "u1", "text": "a dog", "references": ["ein Hund"]}
    antiphon("--data", manifest(tmp_path, row), "--name", "mine")
    store = ["--store", str(tmp_path / "store")]
    for more, told in (
        ([], "mt"),
        (["--stage", "mt"], "übersetzt: a dog"),
        (["--utterance", "u1"], "ein Hund"),
    ):
        with pytest.raises(SystemExit) as ending:
            cli.main(["inspect", "mine", *more, *store])
        assert (ending.value.code, told in capsys.readouterr().out) == (0, True)
    for more in ["--stage", "asr"], ["--utterance", "u2"]:
        with pytest.raises(SystemExit) as ending:
            cli.main(["inspect", "mine", *more, *store])
        assert ending.value.code in {1, 2}
        assert "antiphon: " in capsys.readouterr().err
    page = tmp_path / "store" / "runs" / "mine" / "report.html"
    page.unlink()
    with pytest.raises(SystemExit):
        cli.main(["report", "mine", *store])
    assert capsys.readouterr().out.strip() == str(page)
    assert page.is_file()
