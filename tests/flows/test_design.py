"""A design over translators that need no model: what is tried, claimed, kept and explained."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.design.analysis import DESIGN
from components.design.racing.race import Known
from components.files.yaml_text import parse_yaml
from components.own_code import code_permission
from components.recognition import factory as recognition
from components.recognition.config import RecognitionConfig
from components.records import Hypothesis, NBest, Outcome, Utterance
from components.storage.store import Store
from components.translation import factory as translation
from components.translation.config import TranslationConfig
from flows.parameters.searches.design import DesignParameters
from flows.parameters.searches.own_systems import list_own_systems
from tasks.stages.searches.design import DesignSearch
from tests.command import run_for_text
from tests.flows import fakes
from tests.manifests import count_on, write_numbers, write_rows

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
Command = Callable[..., tuple[int, str]]
GOAL = """\
data: data.jsonl
confirm: 0.5
target_language: de
models: [translate=small, translate=large, translate=broken]
templates: [cascade]
limits: {memory: 100GB}
rungs: 2
"""


class Sized(fakes.Translator):
    """A large model gives more words of the reference than a small one, a wide beam one more."""

    def __init__(self, config: TranslationConfig) -> None:
        self.config = config

    def write(self, utterance: Utterance) -> list[str]:
        if self.config.model == "broken":
            raise RuntimeError("it has no weights")
        right = {"small": 5, "large": 10}[self.config.model] + (self.config.beam_size > 1)
        words = (utterance.references[0] if utterance.references else str(utterance.text)).split()
        return [" ".join(words[:right])]


class Hearer(fakes.Recognizer):
    """A large model hears all, a small one half of two utterances in three; doubts have no part in it."""

    def __init__(self, config: RecognitionConfig) -> None:
        self.config = config

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for utterance in utterances:
            n, words = int(utterance.id[1:]), (utterance.transcript or "").split()
            said = words[:6] if "tiny" in self.config.model and n % 3 else words
            best = Hypothesis(text=" ".join(said), score=-0.1 * (n * 37 % 241), n_tokens=1, system="asr")
            outcomes.append(NBest(utterance_id=utterance.id, hypotheses=(best,), language="en"))
        return outcomes


@pytest.fixture
def antiphon(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    fakes.install(monkeypatch)
    monkeypatch.setattr(fakes, "CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(translation, "build", lambda config, store=None, seed=0: Sized(config))
    monkeypatch.chdir(tmp_path)
    write_numbers(tmp_path / "data.jsonl", 0, 240)
    (tmp_path / "goal.yaml").write_text(GOAL)

    return partial(run_for_text, capsys)


def test_a_goal_becomes_a_front_of_files_and_every_other_system_has_a_reason(
    antiphon: Command, tmp_path: Path
) -> None:
    code, said = antiphon("design", "goal.yaml", "--store", "store", "--name", "found")
    assert code == 0, said
    run = Store("store").load_run("found")
    design = DESIGN.read(next(ref for ref in run.stages if ref.kind == "design"))
    states = {each.name: each.state for each in design.candidates}
    assert states["cascade(broken; beam 1)"] == states["cascade(broken; beam 5)"] == "failed"
    assert states["cascade(large; beam 5)"] == "front"  # nothing is better
    best = next(each for each in design.candidates if each.name == "cascade(large; beam 5)")
    assert all(test.keeps for test in best.limits)
    assert len(design.candidates) == 6
    assert design.n_confirm == 120
    assert design.rung_sizes == (40, 120)
    assert all(each.reason for each in design.candidates if each.state not in ("front",))
    folder = tmp_path / "store/runs/found"
    written = [parse_yaml(path.read_text(), "front")[0] for path in sorted((folder / "front").iterdir())]
    assert [w["nodes"]["mt"]["model"] for w in written][-1] == "large"
    assert written[0]["target_language"] == "de"
    assert written[0]["source_language"] == "en"
    assert (folder / "recommended.yaml").exists()
    page = (folder / "report.html").read_text()
    assert "Systems worth having" in page
    assert "better: the optimism of the search, and how much easier those data are." in page
    code, said = antiphon("design", "--explain", "found", "--system", "broken", "--store", "store", "--json")
    assert code == 0
    assert "it has no weights" in said.splitlines()[0]
    assert "it has no weights" in json.loads(said.splitlines()[-1])["explained"][0]


def test_a_file_of_ones_own_is_a_template_with_every_setting_of_its_search(
    antiphon: Command, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/names.txt").write_text("source\ttarget\nzehn\tzehn\n")
    own = "nodes: {tr: {kind: translate, model: large, terms: names.txt}}\nsearch: {tr.beam_size: [1, 3]}\n"
    (tmp_path / "own/mine.yaml").write_text(own)
    templates = "templates=[cascade, own/mine.yaml]"
    code, said = antiphon("design", "goal.yaml", "--store", "store", "--name", "mixed", "--set", templates)
    assert code == 0, said
    run = Store("store").load_run("mixed")
    design = DESIGN.read(next(ref for ref in run.stages if ref.kind == "design"))
    scores = {each.name: each.rungs[0][0] for each in design.candidates if each.rungs}
    assert scores["mine(tr.beam_size 1)"] == scores["cascade(large; beam 1)"]
    assert scores["mine(tr.beam_size 3)"] == scores["cascade(large; beam 5)"]
    code, said = antiphon(
        "design", "goal.yaml", "--store", "store", "--name", "mine", "--set", "templates=own/mine.yaml"
    )
    assert code == 0, said
    file = tmp_path / "store/runs/mine/recommended.yaml"
    assert parse_yaml(file.read_text(), "file")[0]["folder"] == str(tmp_path / "own")
    code, said = antiphon("plan", str(file), "--set", "data=data.jsonl", "--store", "store")
    assert code == 0, said
    (tmp_path / "own/mine.yaml").write_text(own.replace("beam_size", "beam_siz"))
    code, said = antiphon("design", "goal.yaml", "--store", "store", "--set", templates)
    assert code == 2
    assert "own/mine.yaml:2: search.tr.beam_siz: tr.beam_siz: translate has no such setting" in said


def test_a_parameter_that_names_a_file_does_not_let_its_own_code_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts a deployment sets its parameters; the goal's file is given at the keyboard."""
    monkeypatch.setenv(code_permission.VARIABLE, "0")
    own = tmp_path / "own.yaml"
    own.write_text("nodes: {tr: {kind: python, file: steps.py, function: upper, of: data, to: de}}\n")
    (tmp_path / "steps.py").write_text("def upper(record):\n    return record['text'].upper()\n")
    goal = DesignParameters(data="data.jsonl", target_language="de", templates=(str(own),))
    (system,) = list_own_systems(str(own), goal, goal.confirm, goal.tries)
    assert system.name == "own"
    assert not code_permission.is_own_code_allowed()
    goal.read_from(tmp_path / "goal.yaml", {})
    assert code_permission.is_own_code_allowed()


def test_a_route_is_forecast_as_it_would_be_computed_and_its_file_has_a_threshold(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: Hearer(config))
    rows = []
    for n in range(240):
        soundfile.write(tmp_path / f"u{n}.wav", np.full(800, n / 1000), 8000)
        row = {"id": f"u{n}", "audio": f"u{n}.wav", "transcript": count_on(n), "target_language": None}
        rows.append(row)
    write_rows(tmp_path / "speech.jsonl", rows)
    models = "models=[packaged:whisper-tiny.en, packaged:whisper-base]"
    found, forecast, tell = {}, list[bool](), DesignSearch._tell

    def note(search: DesignSearch, number: int, known: Known, rung: int) -> None:
        forecast.append(not isinstance(known, str) and known.is_forecast)
        tell(search, number, known, rung)

    monkeypatch.setattr(DesignSearch, "_tell", note)
    for name, templates in (("both", "[single, route]"), ("alone", "[route]")):
        settings = (models, f"templates={templates}", "rungs=2", "share=1.0", "margin=100")
        sets = [part for setting in settings for part in ("--set", setting)]
        code, said = antiphon("design", "--data", "speech.jsonl", "--store", "store", "--name", name, *sets)
        assert code == 0, said
        assert any(forecast) == (name == "both")
        forecast.clear()
        run = Store("store").load_run(name)
        design = DESIGN.read(next(ref for ref in run.stages if ref.kind == "design"))
        found[name] = {each.name: each.rungs[0][0] for each in design.candidates if "route" in each.name}
    assert found["both"] == found["alone"]  # computed, where what it chooses between is no candidate
    assert len(set(found["both"].values())) == 2
    files = list((tmp_path / "store/runs/alone/front").iterdir())
    graphs = [parse_yaml(path.read_text(), "front")[0]["nodes"] for path in files]
    assert graphs
    assert all("below" in nodes["doubt"] and "budget" not in nodes["doubt"] for nodes in graphs)


def test_without_references_systems_agree_or_an_estimator_judges_and_the_page_says_so_first(
    antiphon: Command, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    for row in rows:
        row["text"] = " ".join(row.pop("references"))
    write_rows(tmp_path / "data.jsonl", rows)
    store = ("--store", "store")
    code, said = antiphon("design", "goal.yaml", *store, "--name", "bare")
    assert code == 0, said
    run = Store("store").load_run("bare")
    design = DESIGN.read(next(ref for ref in run.stages if ref.kind == "design"))
    assert design.recommended is None
    assert "state margin" in design.reason
    scores = {each.name: each.score.value for each in design.candidates if each.score is not None}
    assert scores["cascade(large; beam 5)"] == 100  # it agrees with itself
    page = (tmp_path / "store/runs/bare/report.html").read_text()
    assert 0 < page.index("These data have no references") < page.index("state margin")
    assert antiphon("design", "--explain", "bare", *store)[1].startswith("These data have no references")
    code, said = antiphon(
        "design",
        "goal.yaml",
        *store,
        "--set",
        "margin=99",
        "--name",
        "loose",
        "--set",
        "models=[translate=small, translate=large]",
    )
    assert "at most" in said and "apart from the largest's" in said
    code, said = antiphon("design", "goal.yaml", *store, "--set", "objectives=[bleu]")
    assert (code, "expected reference translations for bleu" in said) == (2, True)
    code, said = antiphon("design", "goal.yaml", *store, "--set", "estimator=packaged:nothing")
    assert code == 2
    assert "expected a packaged estimator" in said


def test_limits_that_nothing_meets_name_the_nearest(antiphon: Command) -> None:
    code, said = antiphon(
        "design", "goal.yaml", "--store", "store", "--name", "none", "--set", "limits.memory=1KB"
    )
    assert code == 0, said
    run = Store("store").load_run("none")
    design = DESIGN.read(next(ref for ref in run.stages if ref.kind == "design"))
    assert design.recommended is None
    assert design.reason.startswith("nothing surely keeps the limits; the nearest is cascade(")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("confirm=1.5", "confirm: expected a share between 0 and 1"),
        ("limits.price=1", "price: expected price_per_hour"),
        ("templates=[cascad]", "did you mean cascade"),
        ("templates=[mine.yaml]", "expected a file with a graph, found none at mine.yaml"),
        ("objectives=[chr, seconds]", "chr: expected"),
        ("limit=12", "confirm: expected at least 10 utterances to claim a front on, found 6"),
    ],
)
def test_a_wrong_goal_is_refused_in_a_line(antiphon: Command, setting: str, expected: str) -> None:
    code, said = antiphon("design", "goal.yaml", "--store", "store", "--set", setting)
    assert code == 2
    assert expected in said
