"""The cascade through the command line, with components that need no model."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from components import models
from components.data.files.named_sets import SAMPLES
from components.errors import ModelError
from components.models import resolve as resolve_model
from components.storage.runs.accepted_runs import accept_run
from components.storage.store import Store
from components.translation import factory as translation
from tasks import progress
from tests.command import run_command, run_for_json
from tests.components.neural_metrics.tiny import write_comet
from tests.components.storage.written import lines_at, shard_paths
from tests.flows import fakes
from tests.manifests import write_rows

for module in (
    "models.loaders.language_model",
    "ensembling.token_level.whisper_ensemble",
    "experts.upcycling",
    "merging.io.input_models",
    "stacking.lists.cross_scoring",
    "training.students.distillation",
    "training.initialization",
):
    import_module(f"components.{module}")  # what first imports one beside a fake resolver would keep that

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
Command = Callable[..., tuple[int, Any]]


CAPTIONS = ("--set", "mt.model=packaged:multi30k-en-de")


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The fakes in place of the components; gives the file that their calls are written to."""
    fakes.install(monkeypatch)
    monkeypatch.setattr(fakes, "CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


@pytest.fixture
def antiphon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command; gives its exit code and what its last line says, or its standard error."""

    return partial(run_for_json, capsys, "run", "cascade", "--store", str(tmp_path / "store"))


def stages(said: Any) -> dict[str, Any]:
    return {stage["stage"]: stage for stage in said["stages"]}


def manifest(folder: Path, *rows: dict[str, object]) -> str:
    return write_rows(folder / "data.jsonl", rows)


def test_the_sample_set_then_unchanged_then_another_beam(antiphon: Command, tmp_path: Path) -> None:
    code, first = antiphon("--data", "sample", "--limit", "5", "--name", "first")
    assert code == 0
    assert first["run"] == "first"
    assert Path(first["path"]) == tmp_path / "store" / "runs" / "first"
    assert first["status"] == "completed"
    assert {"wer", "cer", "bleu", "chrf", "ter"} == set(first["metrics"])
    assert first["metrics"]["wer"]["value"] == 0
    assert first["metrics"]["bleu"]["n"] == first["metrics"]["bleu"]["n_total"] == 5
    assert [stage["stage"] for stage in first["stages"]] == ["data", "asr", "mt", "metrics", "pools"]
    assert not any(stage["reused"] for stage in first["stages"])
    files = {path.name for path in Path(first["path"]).iterdir()}
    assert {"run.json", "metrics.json", "report.html", "plots"} <= files

    _, again = antiphon("--data", "sample", "--limit", "5")
    assert all(stage["reused"] for stage in again["stages"])
    assert again["metrics"] == first["metrics"]

    _, third = antiphon("--data", "sample", "--limit", "5", "--set", "mt.beam_size=3")
    reused = {name: stage["reused"] for name, stage in stages(third).items()}
    assert reused == {"data": True, "asr": True, "mt": False, "metrics": False, "pools": False}


def test_a_finished_run_keeps_its_name(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it is replaced, and then by a run that is finished."""
    data = ("--data", manifest(tmp_path, {"id": "u", "text": "a b"}))
    record = tmp_path / "store" / "runs" / "mine" / "run.json"
    assert antiphon(*data, "--name", "mine")[0] == 0
    before = record.read_bytes()
    code, output = antiphon(*data, "--name", "mine", "--set", "mt.beam_size=3")
    assert (code, record.read_bytes()) == (2, before)
    assert "found 'mine'" in output.splitlines()[-1]

    def fail(self: object, asked: object, segments: object) -> None:
        raise ModelError("expected finite weights, found NaN")

    with monkeypatch.context() as broken:
        broken.setattr(fakes.Translator, "translate", fail)
        assert antiphon(*data, "--name", "mine", "--set", "mt.beam_size=2", "--replace")[0] == 1
    assert record.read_bytes() == before
    code, output = antiphon(*data, "--name", "mine", "--set", "mt.beam_size=3", "--replace")
    assert code == 0
    assert json.loads(record.read_bytes())["stages"][1]["key"] == stages(output)["mt"]["key"]
    store, before = Store(str(tmp_path / "store")), record.read_bytes()
    accept_run(store, "mine")
    code, output = antiphon(*data, "--name", "mine", "--replace")
    assert (code, record.read_bytes()) == (2, before)
    assert "run mine is accepted, the baseline of its data" in output.splitlines()[-1]


def test_nothing_is_shown_of_a_damaged_stage_or_computed_on_it(
    antiphon: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = manifest(tmp_path, {"id": "u", "text": "a b", "references": ["wahr"]})
    for name, beam in (("a", 5), ("b", 3)):
        code, output = antiphon("--data", data, "--name", name, "--set", f"mt.beam_size={beam}")
        assert code == 0
    (outputs,) = shard_paths(stages(output)["mt"]["path"])
    outputs.write_text(outputs.read_text().replace("a b", "wahr"))
    kept = set((tmp_path / "store" / "stages").iterdir())
    for command in (["inspect", "b"], ["report", "b"], ["compare", "a", "b"]):
        ended = run_command(capsys, *command, "--store", str(tmp_path / "store"))
        assert ended.code == 1
        (line,) = ended.err.splitlines()
        assert line.startswith("antiphon: stage mt (")
        assert "is damaged" in line
        assert line.endswith("repeat the run that computed it")
    assert set((tmp_path / "store" / "stages").iterdir()) == kept


def test_a_data_set_that_is_moved_is_the_same_data(antiphon: Command, tmp_path: Path) -> None:
    """Nothing below it is computed again, and the recordings are found where they are now."""
    old, new = tmp_path / "old", tmp_path / "new" / "place"
    old.mkdir()
    for n in (1, 2):
        shutil.copy(Path(str(SAMPLES)).parent / f"caption-0{n}.flac", old / f"{n}.flac")
    rows = [{"id": f"u{n}", "audio": f"{n}.flac", "transcript": f"a dog {n}"} for n in (1, 2)]
    code, first = antiphon("--data", manifest(old, *rows))
    assert code == 0
    new.parent.mkdir()
    (old / "2.flac").rename(old / "renamed.flac")
    old.rename(new)
    rows[1]["audio"] = "renamed.flac"
    code, moved = antiphon("--data", manifest(new, *rows))
    assert code == 0
    before, after = stages(first), stages(moved)
    assert [after[name]["key"] for name in ("asr", "mt", "metrics")] == [
        before[name]["key"] for name in ("asr", "mt", "metrics")
    ]
    assert all(after[name]["reused"] for name in ("asr", "mt", "metrics"))
    lines = lines_at(after["data"]["path"])
    assert [json.loads(line)["audio"]["path"] for line in lines] == [
        str(new / name) for name in ("1.flac", "renamed.flac")
    ]
    _, other = antiphon("--data", manifest(new, *rows[:1], {**rows[1], "audio": "1.flac"}))
    assert not stages(other)["asr"]["reused"]  # another recording under the same id


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
    code, output = antiphon("--data", manifest(tmp_path, *rows))
    assert code == 0
    assert list(stages(output)) == ["data", "mt", "metrics"]
    assert output["metrics"] == {}
    assert sorted(calls.read_text().splitlines()) == ["mt u0 70"]
    written = lines_at(stages(output)["mt"]["path"])
    assert [json.loads(line)["utterance_id"] for line in written] == [row["id"] for row in rows]


def test_models_score_translations_that_have_all_that_they_read(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COMET reads references, which are not there; CometKiwi does not."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    folders = [str(write_comet(name, tmp_path / name)) for name in ("comet", "cometkiwi")]

    def resolve(reference: str, store: str | None = None) -> Any:
        return (resolve_model if reference in folders else fakes.resolve)(reference, store)

    monkeypatch.setattr(models, "resolve", resolve)
    recording = str(Path(str(SAMPLES)).parent / "caption-01.flac")
    data = manifest(tmp_path, {"id": "u", "audio": recording, "transcript": "a dog"})
    metrics = f"model_metrics=[comet:{folders[0]}, cometkiwi:{folders[1]}]"
    code, output = antiphon("--data", data, "--set", metrics, *CAPTIONS)
    assert code == 0
    assert list(stages(output)) == ["data", "asr", "mt", "mt-cometkiwi", "metrics", "pools"]
    assert "cometkiwi" in output["metrics"]
    assert "comet" not in output["metrics"]
    notes = json.loads((Path(output["path"]) / "run.json").read_text())["notes"]
    assert notes == [
        f"comet:{folders[0]}: nothing has all that it reads (docs/evaluation/metrics.md); not scored"
    ]


def test_what_cannot_be_processed_is_quarantined_and_the_rest_goes_on(
    antiphon: Command, tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [
        {"id": "good", "text": "a dog", "references": ["ein Hund"]},
        {"id": "poison", "text": "a cat", "references": ["eine Katze"]},
        {"id": "bad audio", "audio": "absent.wav", "references": ["nichts"]},
    ]
    code, output = antiphon("--data", manifest(tmp_path, *rows), "--name", "three", *CAPTIONS)
    assert code == 3
    assert output["status"] == "completed with quarantine"
    assert (stages(output)["data"]["quarantined"], stages(output)["mt"]["quarantined"]) == (1, 1)
    assert (output["metrics"]["bleu"]["n"], output["metrics"]["bleu"]["n_total"]) == (1, 3)
    notes = json.loads((Path(output["path"]) / "run.json").read_text())["notes"]
    assert notes == ["1 of 3 records quarantined in stage data", "1 of 2 records quarantined in stage mt"]


def test_why_records_were_quarantined_is_said_in_the_terminal(
    antiphon: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, object]] = [{"id": f"poison {n}", "text": "a cat"} for n in range(7)]
    rows += [{"id": "good", "text": "a dog"}, {"id": "bad audio", "audio": "absent.wav"}]
    antiphon("--data", manifest(tmp_path, *rows), "--name", "mine")

    def inspected(*more: str) -> str:
        ended = run_command(capsys, "inspect", "mine", "--store", str(tmp_path / "store"), *more)
        assert ended.code == 0
        return ended.out

    summary = inspected()
    assert "bad audio: missing audio: " in summary
    assert summary.count("poison: said so in its id") >= 5
    assert "and 2 more: antiphon inspect mine --node mt" in summary
    data = inspected("--node", "data")
    assert "a dog" in data
    assert "8 of 8 shown, 1 quarantined" in data
    assert "bad audio: missing audio: " in data
    assert "bad audio: missing audio: " in inspected("--utterance", "bad audio")
    assert inspected("--node", "mt").count("poison: said so in its id") == 7


def test_a_language_that_the_translator_has_not_is_refused_before_recognition(
    antiphon: Command, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(reference: str, store: str | None = None) -> Any:
        folder = Path(str(translation.__file__)).parents[1] / "packaged" / "multi30k-en-de"
        return fakes.resolve(reference, store).model_copy(update={"path": str(folder)})

    monkeypatch.setattr(models, "resolve", resolve)
    code, output = antiphon("--data", "sample", "--limit", "2", "--target-language", "fr", *CAPTIONS)
    assert code == 2
    assert "found one from en to fr: choose another model" in output.splitlines()[-1]
    assert not calls.exists()


def test_nothing_but_bad_records(antiphon: Command, tmp_path: Path) -> None:
    code, output = antiphon("--data", manifest(tmp_path, {"id": "poison", "text": "a dog"}))
    assert (code, stages(output)["mt"]["quarantined"], output["metrics"]) == (3, 1, {})
    code, output = antiphon("--data", manifest(tmp_path, {"id": "a", "audio": "absent.wav"}))
    assert (code, stages(output)["data"]["quarantined"]) == (3, 1)


def test_recordings_of_ones_own(antiphon: Command) -> None:
    talk, other = (str(Path(str(SAMPLES)).parent / f"caption-0{n}.flac") for n in (1, 2))
    code, output = antiphon("--audio", talk, "--audio", other, "--target-language", "de")
    assert code == 0
    assert (stages(output)["asr"]["items"], output["metrics"]) == (2, {})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--name", "../../x"], 2, "expected a run name"),
        (["--set", "mt.beam_sze=5"], 2, "did you mean mt.beam_size?"),
        (["--set", "mt.beam_size=0"], 2, "expected at least 1, found 0"),
        (["--set", "store=nowhere://bucket"], 2, "s3://bucket/folder"),
        (["-c", "absent.yaml"], 2, "absent.yaml"),
        (["--nothing"], 2, "--nothing"),
        (["--audio", "a.wav", "b.wav"], 2, "a pattern in quotes"),
        (["--data", "absent.jsonl"], 2, "absent.jsonl: expected a manifest"),
    ],
)
def test_mistakes_of_a_user_are_told_in_the_last_line(
    antiphon: Command, arguments: list[str], code: int, told: str
) -> None:
    result, output = antiphon(*arguments)
    assert result == code
    assert told in output.splitlines()[-1]
    assert "antiphon: " in output or code == 2


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
        (["--node", "mt"], "übersetzt: a dog"),
        (["--utterance", "u1"], "ein Hund"),
    ):
        ended = run_command(capsys, "inspect", "mine", *more, *store)
        assert (ended.code, told in ended.out) == (0, True)
    for more in ["--node", "asr"], ["--utterance", "u2"]:
        ended = run_command(capsys, "inspect", "mine", *more, *store)
        assert ended.code in {1, 2}
        assert "antiphon: " in ended.err
    page = tmp_path / "store" / "runs" / "mine" / "report.html"
    page.unlink()
    ended = run_command(capsys, "report", "mine", *store)
    assert ended.out.strip() == str(page)
    assert page.is_file()
