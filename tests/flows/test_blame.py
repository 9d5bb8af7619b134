"""Blame through the command line: a cascade whose recognizer mishears."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.recognition import factory as recognition
from components.records import Utterance
from components.refining import methods
from components.run_record import StageRef
from components.translation import factory as translation
from components.tuning.analyses import CONFIRMATION, STUDY
from tests.command import run_command
from tests.flows import fakes
from tests.flows.test_cascade import calls  # noqa: F401 - a fixture that every test uses
from tests.manifests import write_rows

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("calls"), pytest.mark.usefixtures("server")]


class Mishearing(fakes.Recognizer):
    def hear(self, utterance: Utterance) -> list[str]:
        return [str(utterance.transcript).replace(" ", " um ", 2)]


class Echo(fakes.Translator):
    """Gives the reference if the transcript is right, else what it read."""

    def write(self, utterance: Utterance) -> list[str]:
        is_right = utterance.text == utterance.transcript
        return [utterance.references[0] if is_right else str(utterance.text)]


@pytest.fixture
def antiphon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: Mishearing())
    monkeypatch.setattr(translation, "build", lambda config, store=None, seed=0: Echo())

    def run(*arguments: str) -> Any:
        ended = run_command(capsys, *arguments, "--store", str(tmp_path / "store"), "--json")
        assert ended.code == 0, ended.err
        return ended.out, ended.line

    return run


def test_the_recognizer_is_blamed_and_what_was_computed_is_reused(
    antiphon: Callable[..., Any],
    tmp_path: Path,
    calls: Path,  # noqa: F811
) -> None:
    antiphon("run", "cascade", "--data", "sample", "--limit", "10", "--name", "plain")
    before = calls.read_text().splitlines()
    human = ("--set", "human_scores={bleu: 100, chrf: 100}")
    printed, output = antiphon("blame", "plain", *human)
    assert output["run"] == "plain-blame"
    stages = {stage["stage"]: stage for stage in output["stages"]}
    assert list(stages) == ["data", "asr", "mt", "metrics", "blame"]
    assert [stage["reused"] for stage in output["stages"]] == [True, True, True, True, False]
    report = json.loads((Path(stages["blame"]["path"]) / "blame.json").read_text())
    assert [blame_row["culprit"] for blame_row in report["blames"]] == ["asr", "asr"]
    assert all(blame_row["all_gold"]["value"] == pytest.approx(100) for blame_row in report["blames"])
    assert sum(kind["errors"] for kind in report["kinds"]) == 20
    assert "most is lost in asr" in printed
    assert "its nodes, texts and scores: antiphon inspect plain-blame" in printed
    assert "caption-01" not in printed  # texts, and all of the run's summary, only with -v
    # Only translations of repaired transcripts were computed: words, both parts, and the one kind of error.
    more = calls.read_text().splitlines()[len(before) :]
    assert {line.split()[0] for line in more} == {"mt"}
    values = [
        json.loads(line)
        for line in (Path(stages["blame"]["path"]) / "utterances.jsonl").read_text().splitlines()
    ]
    assert len(values) == 10
    assert all(
        blame_row["gap asr"] > 0 and blame_row["remainder"] == pytest.approx(0) for blame_row in values
    )
    printed, output = antiphon("blame", "plain", "--name", "again", "-v", *human)
    assert printed.index("most is lost in asr") < printed.index("caption-01")
    assert all(stage["reused"] for stage in output["stages"])
    assert len(calls.read_text().splitlines()) == len(before) + len(more)


def test_a_remedy_is_tried_forecast_and_run(
    antiphon: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The larger recognizer hears right, so that all translations become references."""

    def build(config: Any, store: object = None, seed: int = 0) -> fakes.Recognizer:
        return Mishearing() if "tiny" in config.model else fakes.Recognizer()

    monkeypatch.setattr(recognition, "build", build)
    small = ("--set", "asr.model=packaged:whisper-tiny.en", "--set", "asr.beam_size=1", "--limit", "22")
    antiphon("run", "cascade", "--data", "sample", "--name", "small", *small)
    printed, output = antiphon("improve", "small", "--set", "share=0.5")
    assert "not begun; --budget SECONDS tries remedy " in " ".join(printed.split())
    lines = printed.partition('{"run"')[0]  # the line of JSON has the verdict of all that the run has
    assert "asr costs" not in lines  # the error attribution that it made on the way
    listed = STUDY.read(StageRef.model_validate(output["stages"][-1]))
    assert [row.state for row in listed.complete] == ["complete"]
    assert {row.state for row in listed.tries[1:]} == {"untried", "unavailable"}
    assert all(row.forecast.bound for row in listed.tries if row.settings == {"remedy": "terms"})
    more = ("--set", "soup=[store:0123]", "--set", "probe=10")
    printed, output = antiphon("improve", "small", "--budget", "600", *more)
    refs = {ref["kind"]: StageRef.model_validate(ref) for ref in output["stages"]}
    study, confirmation = STUDY.read(refs["study"]), CONFIRMATION.read(refs["confirmation"])
    states = {str(row.settings.get("remedy")): row.state for row in study.tries}
    assert study.winner.settings == {"remedy": "larger recognizer"}
    assert (states["route"], states["wider search of transcripts"]) == ("complete", "complete")
    assert states["soup"] == "failed"  # there is no such model: the others went on
    assert study.rung_sizes == (10,)
    assert (confirmation.confirmed.n, confirmation.verdict) == (12, "held")
    assert confirmation.confirmed.value == pytest.approx(100)
    assert "the forecast held" in " ".join(printed.split())
    assert "packaged:whisper-base" in (Path(output["path"]) / "winner.yaml").read_text()


class Stumbling(fakes.Recognizer):
    """Hears a whole recording badly and a segment of it well."""

    def hear(self, utterance: Utterance) -> list[str]:
        text = str(utterance.transcript)
        whole = utterance.audio is not None and utterance.audio.seconds > 1.5
        return [" ".join(text.split()[::2]) if whole else text]


@pytest.fixture
def recordings(tmp_path: Path) -> tuple[str, str]:
    """Two recordings of two seconds, and the same cut in halves."""
    whole, pieces = [], []
    for name, output in (("one", "a dog runs over the green grass"), ("two", "two men sit on a long bench")):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes((ord(name[0]) + i * 7) % 256 for i in range(64000)))
        row = {"audio": f"{name}.wav"}
        whole.append({"id": name, "transcript": output, "references": [f"ja: {output}"], **row})
        words = output.split()
        for n, part in enumerate((words[:3], words[3:])):
            cut = {"id": f"{name}-{n}", "offset": float(n), "duration": 1.0, "transcript": " ".join(part)}
            pieces.insert(0, cut | row)  # the order of the manifest is not that of the recording
    return write_rows(tmp_path / "whole.jsonl", whole), write_rows(tmp_path / "pieces.jsonl", pieces)


def test_gold_segments_put_the_blame_on_the_cutting(
    antiphon: Callable[..., Any], recordings: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: Stumbling())
    whole, pieces = recordings
    antiphon("run", "cascade", "--data", whole, "--name", "long")
    printed, output = antiphon("blame", "long", "--segments", pieces)
    stage = output["stages"][-1]
    report = json.loads((Path(stage["path"]) / "blame.json").read_text())
    for blame_row in report["blames"]:
        assert [result["stage"] for result in blame_row["stages"]] == ["segmentation", "asr", "mt"]
        assert blame_row["culprit"] is None  # no human's score was stated
        cut, asr, _ = blame_row["stages"]
        gap = blame_row["all_gold"]["value"] - blame_row["score"]["value"]
        assert cut["gap"]["value"] == pytest.approx(gap)  # well cut is well heard
        assert asr["retention"]["value"] == pytest.approx(100)
        assert sum(part["shapley"]["value"] for part in blame_row["parts"]) == pytest.approx(gap)
    assert "2 utterances: too few to tell" in " ".join(printed.split())


def test_a_draft_is_a_stage_of_its_own_also_of_written_data(
    antiphon: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The translator echoes, the editor adds an exclamation mark, also to the reference."""
    monkeypatch.setitem(methods.METHODS, "self_refine", fakes.Editor)
    row = {"text": "a dog", "references": ["ein Hund im Park!"]}
    data = write_rows(tmp_path / "text.jsonl", [{"id": f"u{n}", **row} for n in range(3)])
    graph = {"mt": {"kind": "translate"}, "final": {"kind": "refine", "of": "mt", "rounds": 1, "gate": "off"}}
    antiphon(
        "run",
        "pipeline",
        "--set",
        f"graph={json.dumps({'nodes': graph})}",
        "--data",
        data,
        "--name",
        "g",
    )
    _, output = antiphon("blame", "g")
    (bleu, _) = json.loads((Path(output["stages"][-1]["path"]) / "blame.json").read_text())["blames"]
    assert [blame_row["stage"] for blame_row in bleu["stages"]] == ["mt", "final"]
    assert bleu["parts"] == []
    mt, final = bleu["stages"]
    assert mt["gap"]["value"] + bleu["score"]["value"] + final["gap"]["value"] == pytest.approx(100)
    assert 0 < final["gap"]["value"] < mt["gap"]["value"]


def test_runs_that_cannot_be_blamed_are_refused_with_the_reason(
    antiphon: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "text.jsonl", [{"id": "s", "text": "a", "references": ["a"]}])
    antiphon("run", "cascade", "--data", data, "--name", "written")
    ended = run_command(capsys, "blame", "written", "--store", str(tmp_path / "store"))
    assert ended.code == 2
    assert "expected a run of speech, found no stage asr" in ended.err


def test_own_code_below_the_transcripts_asks_permission_before_anything_runs(
    antiphon: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    calls: Path,  # noqa: F811
) -> None:
    (tmp_path / "own.py").write_text("def keep(record):\n    return record['text']\n")
    own = {"kind": "python", "file": "own.py", "function": "keep", "of": "better"}
    loop = {"kind": "loop", "of": "mt", "rounds": 2, "body": {"own": own}}
    nodes = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}, "better": loop}
    graph = {"data": "sample", "limit": 2, "target_language": "de", "name": "own", "nodes": nodes}
    (tmp_path / "own.yaml").write_text(json.dumps(graph))
    monkeypatch.setenv("ANTIPHON_ALLOW_CODE", "1")
    antiphon("run", str(tmp_path / "own.yaml"))
    before = calls.read_text()
    monkeypatch.delenv("ANTIPHON_ALLOW_CODE")
    for command in ("blame", "improve"):
        ended = run_command(capsys, command, "own", "--store", str(tmp_path / "store"))
        assert ended.code == 2
        assert "better.body.own: expected permission to run keep" in ended.err
        assert "computed" not in ended.err
    assert calls.read_text() == before


def test_a_cascade_attributes_its_own_errors(antiphon: Callable[..., Any]) -> None:
    _, output = antiphon("run", "cascade", "--data", "sample", "--limit", "2", "--set", "blame=true")
    (stage,) = [stage for stage in output["stages"] if stage["stage"] == "blame"]
    blames = json.loads((Path(stage["path"]) / "blame.json").read_text())["blames"]
    assert [blame_row["all_gold"]["value"] for blame_row in blames] == pytest.approx([100, 100])
