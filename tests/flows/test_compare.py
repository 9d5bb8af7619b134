"""Comparisons through the command line, of cascades whose components need no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from components.errors import ModelError
from components.records import Outcome, Quarantined, Utterance
from components.refining import checks
from components.storage.runs.accepted_runs import accept_run
from components.storage.store import Store
from components.translation import factory as translation
from components.translation.config import TranslationConfig
from flows.cli.look.printing import print_run
from flows.parameters.compare import CompareParameters, SystemConfig
from flows.python_flows import compare
from tests.command import exit_code_of, run_command, run_for_json
from tests.flows import fakes
from tests.flows.test_cascade import calls, manifest  # noqa: F401 - a fixture that every test uses
from tests.flows.test_deployments import call
from tests.serving import ROOT

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("calls"), pytest.mark.usefixtures("server")]
Command = Callable[..., tuple[int, Any]]
SENTENCES = [
    ("a dog runs in the park", "ein Hund läuft im Park"),
    ("a man sleeps on the bench in the sun", "ein Mann schläft auf der Bank in der Sonne"),
    ("two children play", "zwei Kinder spielen"),
    ("the woman reads a long book about old trees", "die Frau liest ein langes Buch über alte Bäume"),
]


class ByModel(fakes.Translator):
    """Gives the reference under the model 'good', loses its last two words under 'poor', all under 'mute'."""

    def __init__(self, config: TranslationConfig) -> None:
        self.config = config

    def translate(self, utterances: Sequence[Utterance], segments: object = ()) -> list[Outcome]:
        if self.config.model == "mute":
            return [Quarantined(utterance_id=u.id, stage="mt", reason="mute", detail="") for u in utterances]
        return super().translate(utterances)

    def write(self, utterance: Utterance) -> list[str]:
        if self.config.model == "broken":
            raise ModelError("broken: expected weights, found none; choose another model")
        words = utterance.references[0].split()
        return [" ".join(words if self.config.model == "good" else words[:-2])]


@pytest.fixture
def antiphon(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(translation, "build", lambda config, store=None, seed=0: ByModel(config))
    monkeypatch.chdir(tmp_path)

    return lambda *arguments: run_for_json(capsys, *arguments, "--store", str(tmp_path / "store"))


@pytest.fixture
def data(tmp_path: Path) -> str:
    rows = [{"id": f"s{n}", "text": en, "references": [de]} for n, (en, de) in enumerate(SENTENCES * 3)]
    return manifest(tmp_path, *rows)


def configuration(folder: Path, data: str, *systems: tuple[str, str], **more: object) -> str:
    path = folder / "compare.yaml"
    listed = [{"name": name, "parameters": {"mt": {"model": model}}} for name, model in systems]
    path.write_text(json.dumps({"data": data, "systems": listed, **more}))  # YAML holds JSON
    return str(path)


def test_systems_are_run_share_stages_and_are_compared(
    antiphon: Command,
    tmp_path: Path,
    data: str,
    calls: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = configuration(tmp_path, data, ("cut", "poor"), ("whole", "good"), ("again", "good"))
    code, output = antiphon("run", "compare", "-c", file, "--name", "three")
    assert (code, output["status"]) == (0, "completed")
    assert [stage["stage"] for stage in output["stages"]] == ["comparison"]
    assert output["metrics"]["whole.bleu"]["value"] == pytest.approx(100)
    assert output["metrics"]["cut.bleu"]["value"] < 90
    # 'again' is 'whole' under another name: the store shares its stage, so two systems were computed.
    assert len(calls.read_text().splitlines()) == 2
    # They were run as one graph, but each has a run of its own, with the names of its own nodes.
    again = json.loads((tmp_path / "store" / "runs" / "three.again" / "run.json").read_text())
    assert [stage["stage"] for stage in again["stages"]] == ["data", "mt", "metrics"]
    statuses = {node["name"]: node["status"] for node in again["pipeline"]["nodes"]}
    assert statuses == {"asr": "skipped", "mt": "computed"}
    ended = run_command(capsys, "inspect", "three.again", "--node", "asr", "--store", str(tmp_path / "store"))
    assert ended.code == 2 and "found 'asr', which no utterance reached" in ended.err
    comparison = json.loads((Path(output["stages"][0]["path"]) / "comparison.json").read_text())
    assert comparison["baseline"] == "cut"
    tested = {(one["system"], one["metric"]): one for one in comparison["differences"]}
    assert tested["whole", "bleu"]["p_holm"] < 0.05
    assert tested["whole", "bleu"] == {**tested["again", "bleu"], "system": "whole"}

    # A new name, nothing computed; then the finished runs, without Prefect, ranked by a further metric.
    code, output = antiphon("run", "compare", "-c", file, "--name", "renamed")
    assert [stage["reused"] for stage in output["stages"]] == [True]
    code, output = antiphon("compare", "three.cut", "three.whole", "--name", "finished", "--metric", "ter")
    assert code == 0
    assert output["metrics"]["three.whole.bleu"]["value"] == pytest.approx(100)
    finished = json.loads((Path(output["stages"][0]["path"]) / "comparison.json").read_text())
    assert [one["metric"] for one in finished["differences"]] == ["ter", "bleu", "chrf"]
    # Looked at every night: a sequence of its own, in the metric that ranks.
    code, output = antiphon("compare", "three.cut", "three.whole", "--name", "nightly", "--margin", "5")
    stages = {stage["stage"]: Path(stage["path"]) for stage in output["stages"]}
    (test,) = json.loads((stages["sequential"] / "sequential.json").read_text())["tests"]
    assert (test["metric"], test["n"], test["margin"], test["alpha"]) == ("bleu", 12, 5.0, 0.05)
    assert test["difference"] == pytest.approx(100 - output["metrics"]["three.cut.bleu"]["value"])
    assert test["interval"][0] < test["mean"] < test["interval"][1]
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("other", "compared", "verdict"),
    [("good", 30, "better"), ("poor", 50, "undecided")],
    ids=["a difference", "no difference"],
)
def test_a_sequential_comparison_stops_at_its_verdict(
    antiphon: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
    compared: int,
    verdict: str,
) -> None:
    monkeypatch.setattr(compare, "FIRST_LOOK", 30)  # then all
    rows = [{"id": f"s{n}", "text": en, "references": [de]} for n, (en, de) in enumerate(SENTENCES * 13)]
    file = configuration(
        tmp_path, manifest(tmp_path, *rows[:50]), ("cut", "poor"), ("new", other), sequential=True
    )
    code, output = antiphon("run", "compare", "-c", file, "--name", "nightly")
    assert code == 0
    stages = {stage["stage"]: Path(stage["path"]) for stage in output["stages"]}
    (test,) = json.loads((stages["sequential"] / "sequential.json").read_text())["tests"]
    assert (test["n"], test["verdict"]) == (compared, verdict)
    assert output["metrics"]["new.bleu"]["n_total"] == compared  # the report is of what was run


def test_one_broken_system_leaves_the_others(
    antiphon: Command, tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [("cut", "poor"), ("broken", "broken"), ("mute", "mute"), ("whole", "good")]
    file = configuration(tmp_path, data, *listed)
    code, output = antiphon("run", "compare", "-c", file, "--name", "partly")
    assert (code, output["status"]) == (3, "completed with quarantine")
    assert {name.split(".")[0] for name in output["metrics"]} == {"cut", "whole"}
    notes = json.loads((Path(output["path"]) / "run.json").read_text())["notes"]
    assert any(note.startswith("system broken failed: broken: expected weights") for note in notes)
    aside = "expected outputs of its last stage mt, found all 12 records quarantined"
    assert any(note.startswith(f"system mute failed: run partly.mute: {aside}") for note in notes)
    store = Store(str(tmp_path / "store"))
    print_run(store.load_run("partly"), store)
    printed = capsys.readouterr().out
    assert [printed.count(f"system {name} failed: ") for name in ("broken", "mute")] == [1, 1]
    code, message = antiphon("compare", "partly.cut", "partly.broken")
    assert code == 1
    assert "run partly.broken: expected a finished run, found one that is failed" in message
    code, message = antiphon("run", "compare", "-c", file, "--set", "baseline=broken", "--name", "baseless")
    assert code == 2
    assert "expected the baseline and another system to finish; see the notes" in message.splitlines()[-1]
    notes = json.loads((tmp_path / "store" / "runs" / "baseless" / "run.json").read_text())["notes"]
    assert any(note.startswith("system broken failed: broken: expected weights") for note in notes)


def test_systems_of_other_flows_on_data_of_two_languages_score_as_their_own_runs_do(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        checks, "read_examples", lambda *languages: []
    )  # the editor needs no prompt for Chinese
    rows = [{"id": f"de{n}", "text": en, "references": [de]} for n, (en, de) in enumerate(SENTENCES)]
    chinese = [("a dog runs", "一只 狗 在 公园 里 跑。"), ("a man sleeps", "一个 男人 在 长椅 上 睡觉。")]
    rows += [
        {"id": f"zh{n}", "text": en, "references": [zh], "target_language": "zh"}
        for n, (en, zh) in enumerate(chinese)
    ]
    mt = {"model": "poor"}
    systems = [
        {"name": "cascade", "parameters": {"mt": mt}},
        {"name": "refine", "flow": "refine", "parameters": {"mt": mt, "refine": {"gate": "off"}}},
        {"name": "ensemble", "flow": "ensemble"}
        | {"parameters": {"mt": mt | {"members": ["good"]}, "combine": {"method": "output_level"}}},
    ]
    file = configuration(tmp_path, manifest(tmp_path, *rows), systems=systems, metrics=["bleu", "chrf"])
    code, output = antiphon("run", "compare", "-c", file, "--name", "flows")
    assert code == 0
    for system in ("cascade", "refine", "ensemble"):
        own = json.loads((tmp_path / "store" / "runs" / f"flows.{system}" / "metrics.json").read_text())
        for metric in ("bleu", "chrf"):
            result = output["metrics"][f"{system}.{metric}"]
            assert result["value"] == pytest.approx(own[metric]["value"])
            assert (result["n"], result["n_total"]) == (own[metric]["n"], own[metric]["n_total"]) == (6, 6)
        assert "tok:13a" in own["bleu"]["signature"].partition(" + zh: ")[0]
        assert "tok:zh" in own["bleu"]["signature"].partition(" + zh: ")[2]
    comparison = json.loads((Path(output["stages"][0]["path"]) / "comparison.json").read_text())
    groups = {one["label"]: one["n"] for one in comparison["buckets"] if one["by"] == "language"}
    assert groups == {"en to de": 4, "en to zh": 2}
    assert {row["system"]: row["cost"]["calls"] for row in comparison["rows"]} == {
        "cascade": 6,
        "refine": 18,
        "ensemble": 18,
    }


def test_mistakes_are_told_before_anything_runs(
    antiphon: Command,
    tmp_path: Path,
    data: str,
    calls: Path,  # noqa: F811
) -> None:
    pair = ("cut", "poor"), ("whole", "good")
    for more, message in (
        ({"baseline": "neither"}, "baseline: expected one of cut, whole, found 'neither'"),
        (
            {"systems": [{"name": "a", "parameters": {"mt": {"beam_sze": 2}}}, {"name": "b"}]},
            "systems: a: mt.beam_sze",
        ),
        ({"systems": [{"name": "a", "parameters": {"api_key": "x"}}, {"name": "b"}]}, "secrets are refused"),
        ({"systems": [{"name": "a"}]}, "two or more different names in systems and runs, found a"),
        ({"metrics": ["blue"]}, "metrics"),
    ):
        file = configuration(tmp_path, data, *pair, **more)  # type: ignore[arg-type]
        code, output = antiphon("run", "compare", "-c", file)
        assert (code, message in output.splitlines()[-1]) == (2, True), output
    code, output = antiphon("compare")
    assert (code, "expected finished runs, found none" in output.splitlines()[-1]) == (2, True), output
    assert not calls.exists()


def test_runs_of_other_data_are_refused(antiphon: Command, data: str) -> None:
    for name, limit in (("all", "12"), ("some", "5")):
        antiphon("run", "cascade", "--data", data, "--limit", limit, "--name", name, "--set", "mt.model=good")
    code, output = antiphon("compare", "all", "some")
    assert code == 1
    assert "expected all and some to be runs of the same data, found 's10' in all only" in output
    assert "compare" not in antiphon("runs", "list")[1]  # nothing is left of it
    assert antiphon("compare", "all", "absent")[0] == 2
    code, output = antiphon("compare", "all")
    assert (code, "run all: expected an accepted run of the same data, found none" in output) == (2, True)
    system = SystemConfig(name="a")
    shared = {"blame": True, "model_metrics": ("comet:hub:Unbabel/wmt22-comet-da",)}
    parameters = compare._make_system(system, CompareParameters(systems=(system,), **shared)).parameters
    assert {name: getattr(parameters, name) for name in shared} == shared


@pytest.fixture
def inbox() -> Iterator[tuple[str, Queue[dict[str, str]]]]:
    """A web hook on this machine: its address, and what was posted there."""
    posted: Queue[dict[str, str]] = Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook:
        Thread(target=hook.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{hook.server_port}/", posted
        hook.shutdown()


def test_the_automation_notifies_once_when_quality_dropped(
    antiphon: Command, data: str, inbox: tuple[str, Queue[dict[str, str]]], prefect_url: str
) -> None:
    """The shipped automation, with a web hook's id in the place that its first lines name."""
    address, posted = inbox
    block = CustomWebhookNotificationBlock(
        name="hook", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    identifier = str(block.save("antiphon-test", overwrite=True))
    text = (ROOT / "automations" / "quality.yaml").read_text()
    assert text.count("00000000-0000-0000-0000-000000000000") == 1
    text = text.replace("00000000-0000-0000-0000-000000000000", identifier)
    (automation,) = yaml.safe_load(text)["automations"]
    created = call(prefect_url, "/automations/", automation)
    assert created["enabled"]
    for name, model in (("accepted", "good"), ("current", "poor")):
        antiphon("run", "cascade", "--data", data, "--name", name, "--set", f"mt.model={model}")
    values = {"data": data, "baseline": "accepted", "runs": ["accepted", "current"], "name": "nightly"}
    code, _ = antiphon("run", "compare", *(f"--set={key}={json.dumps(one)}" for key, one in values.items()))
    assert code == 0
    message = posted.get(timeout=60)
    assert message["subject"] == "Antiphon: current is worse than accepted"
    assert message["body"].startswith("bleu ")
    assert "on 12 utterances" in message["body"]
    assert posted.empty()


def test_people_judge_a_comparison_and_their_scores_join_it(
    antiphon: Command, tmp_path: Path, data: str
) -> None:
    by_label = [f"s{n}\t{name}\t{n}\n" for n in range(12) for name in ("cut", "whole")]
    Path("first.tsv").write_text("".join(["id\tsystem\tvalue\n", *by_label]))
    file = configuration(tmp_path, data, ("cut", "poor"), ("whole", "good"), scores=["edits=first.tsv:lower"])
    code, output = antiphon("run", "compare", "-c", file, "--name", "two")
    assert (code, output["metrics"]["whole.edits"]["value"]) == (0, 5.5)
    code, written = antiphon("campaign", "two", "--items", "12", "--out", "trial", "--protocol", "DA")
    assert (code, written["systems"], written["items"]) == (0, ["two.cut", "two.whole"], 24)
    key = json.loads(Path("trial/key.json").read_text())
    items = {item["item"]: item for item in key["items"]}
    rows = [line.split("\t") for line in Path("trial/table-1.tsv").read_text().splitlines()]
    for row in rows[1:]:  # whoever judges likes the whole sentences
        row[6] = {"two.cut": "50", "two.whole": "90"}.get(items[row[0]]["systems"].get(row[1]), "10")
    Path("anna.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    assert not exit_code_of("campaign", "import", "anna.tsv", "--campaign", "trial", "--out", "scores.tsv")

    code, output = antiphon(
        "compare", "two.cut", "two.whole", "--scores", "esa=scores.tsv", "--metric", "esa"
    )
    comparison = json.loads((Path(output["stages"][0]["path"]) / "comparison.json").read_text())
    assert comparison["ranking"] == "esa"
    (esa,) = [one for one in comparison["differences"] if one["metric"] == "esa"]
    assert (esa["difference"], esa["verdict"], esa["n"]) == (40, "better", 12)
    assert comparison["judgements"][0]["annotators"] == 1
    assert "External scores" in (Path(output["path"]) / "report.html").read_text()

    accept_run(Store(str(tmp_path / "store")), "two.cut")
    code, output = antiphon("compare", "two.whole")  # with the accepted run of the same data
    record = json.loads((Path(output["path"]) / "run.json").read_text())
    assert (code, list(record["systems"].values())) == (0, ["two.cut", "two.whole"])

    assert antiphon("compare", "two.cut", "two.whole", "--scores", "bleu=scores.tsv")[0] == 2
    for flag, value in (("--primary", "two.whole in wrr"), ("--metric", "esa")):
        code, message = antiphon("compare", "two.cut", "two.whole", flag, value)
        assert (code, "expected one of wer" in message) == (2, True)
    assert "ranking (--metric): expected" in message
    code, message = antiphon("compare", "two.cut", "two.whole", "--metric", "wer")  # they have no transcripts
    assert (code, "expected a score that the baseline has, one of bleu, chrf, found 'wer'" in message) == (
        2,
        True,
    )
    code, message = antiphon("compare", "two.cut", "two.whole", "--scores", "esa=none.tsv")
    assert (code, message.count("\n")) == (2, 1)
    exit_code_of("report", "two.cut", "--scores", "esa=scores.tsv", "--store", str(tmp_path / "store"))
    run = json.loads((tmp_path / "store" / "runs" / "two.cut" / "run.json").read_text())
    assert (run["metrics"]["esa"]["value"], run["metrics"]["esa"]["n"]) == (50, 12)


def test_a_matrix_of_strengths_says_how_fast_a_system_loses(
    antiphon: Command, tmp_path: Path, data: str
) -> None:
    graph = {
        "data": data,
        "source_language": "en",
        "target_language": "de",
        "matrix": {"worse.typos": [0, 0.5, 1.0]},
        "nodes": {
            "worse": {"kind": "perturb", "of": "data"},
            "mt": {"kind": "translate", "of": "worse", "model": "good"},
        },
    }
    (tmp_path / "typos.yaml").write_text(json.dumps(graph))
    code, output = antiphon("run", "typos.yaml", "--name", "typos")
    assert code == 0
    comparison = json.loads((Path(output["stages"][0]["path"]) / "comparison.json").read_text())
    (bleu,) = [one for one in comparison["degradations"] if one["metric"] == "bleu"]
    assert [point["strength"] for point in bleu["curves"][0]["points"]] == [0, 0.5, 1]
    assert bleu["curves"][0]["slope"]["value"] == 0  # this translator does not read
    page = (Path(output["path"]) / "report.html").read_text()
    assert "Robustness" in page
    assert (Path(output["path"]) / "plots" / "degradation_typos_bleu.png").exists()
