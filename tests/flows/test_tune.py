"""Searches over a pipeline whose translators need no model: what is computed, and what comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from components.records import Outcome, Utterance
from components.storage.store import Store
from components.translation import factory as translation
from components.translation.config import TranslationConfig
from components.tuning.analyses import CONFIRMATION, STUDY
from components.tuning.study import Study
from tests.command import run_for_text
from tests.flows import fakes
from tests.manifests import write_numbers

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
Command = Callable[..., tuple[int, str]]
FILE = """\
data: data.jsonl
confirm: confirm.jsonl
nodes:
  pivot: {kind: translate, model: first, to: fr}
  de: {kind: translate, of: pivot, model: second}
search:
  de.beam_size: [1, 2, 4, 8]
  nodes.de.length_penalty: {from: 0.0, to: 2.0}
objectives: de.chrf
sampler: random
tries: 6
parallel: 3
rungs: 2
reduction_factor: 2
"""


class ByBeam(fakes.Translator):
    """The wider the beam and the nearer the penalty to 1, the more words of the reference it gives."""

    stop_after: int | None = None

    def __init__(self, config: TranslationConfig) -> None:
        self.config = config

    def translate(self, utterances: Sequence[Utterance], segments: object = ()) -> list[Outcome]:
        if ByBeam.stop_after is not None:
            ByBeam.stop_after -= 1
            if ByBeam.stop_after < 0:
                raise KeyboardInterrupt
        name = f"{self.config.model}-{self.config.beam_size}-{self.config.length_penalty:g}"
        fakes._called(name, utterances)
        if self.config.model == "first":
            return [fakes._nbest(u, [str(u.text)], "mt") for u in utterances]
        right = round(self.config.beam_size + 4 * (1 - abs(1 - self.config.length_penalty)))
        return [fakes._nbest(u, [" ".join(u.references[0].split()[:right])], "mt") for u in utterances]


@pytest.fixture
def antiphon(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    fakes.install(monkeypatch)
    monkeypatch.setattr(fakes, "CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(translation, "build", lambda config, store=None, seed=0: ByBeam(config))
    monkeypatch.setattr(ByBeam, "stop_after", None)
    monkeypatch.chdir(tmp_path)
    write_numbers(tmp_path / "data.jsonl", 0, 24)
    write_numbers(tmp_path / "confirm.jsonl", 100, 12)
    (tmp_path / "talk.yaml").write_text(FILE)

    return partial(run_for_text, capsys)


def calls(folder: Path) -> Counter[str]:
    """What was translated by which settings: model-beam-penalty -> utterances."""
    counts: Counter[str] = Counter()
    for line in (folder / "calls").read_text().splitlines():
        name, _, count = line.split()
        counts[name] += int(count)
    return counts


def study_of(folder: Path, name: str, store: str = "store") -> Study:
    stages = {ref.kind: ref for ref in Store(str(folder / store)).load_run(name).stages}
    return STUDY.read(stages["study"])


def test_a_search_computes_what_is_new_and_confirms_its_winner_once(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = list[str]()
    monkeypatch.setattr("tasks.stages.searches.tries.show_phase", phases.append)
    code, said = antiphon("tune", "talk.yaml", "--store", "store", "--name", "found")
    assert code == 0, said
    assert len(phases) == len({*phases}) > 2, phases
    study = study_of(tmp_path, "found")
    assert study.rung_sizes == (12, 24)
    assert Counter(each.state for each in study.tries)["pruned"] >= 2
    counted = calls(tmp_path)
    assert counted.pop("first-5-1") == 24 + 12  # the stage that no variable touches: once for all tries
    for each in study.tries:
        beam, penalty = each.settings.get("de.beam_size", 5), each.settings.get("nodes.de.length_penalty", 1)
        confirmed = 12 if each.number in (0, study.winner.number) else 0
        seen = {"complete": 24, "pruned": 12}[each.state]  # of the second rung only what the first lacks
        assert counted.pop(f"second-{beam}-{penalty:g}") == seen + confirmed
    assert not counted
    best = max((each for each in study.tries if each.state == "complete"), key=lambda each: each.values[0])
    assert study.winner.values == best.values

    run = Store("store").load_run("found")
    stages = {ref.kind: ref for ref in run.stages}
    confirmation = CONFIRMATION.read(stages["confirmation"])
    assert confirmation.search.value == pytest.approx(study.winner.values[0])
    winner = Store("store").load_run(run.systems["winner"])
    assert confirmation.confirmed.value == pytest.approx(winner.metrics["chrf"].value)
    assert {"study.json", "tries.tsv", "winner.yaml", "report.html"} <= {
        p.name for p in (tmp_path / "store/runs/found").iterdir()
    }
    assert "Pareto front of the search" in (tmp_path / "store/runs/found/report.html").read_text()

    winning = tmp_path / "store" / "runs" / "found" / "winner.yaml"
    assert antiphon("run", str(winning), "--data", "confirm.jsonl", "--store", "store")[0] == 0
    assert (
        sum(calls(tmp_path).values())
        == 36 + sum(24 if t.state == "complete" else 12 for t in study.tries) + 24
    )
    code, printed = antiphon("tune", "--show", "found", "--store", "store", "--json")
    assert code == 0 and "gain over" in printed
    assert '{"run": "found", ' in printed


def test_a_search_that_was_stopped_goes_on(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ByBeam, "stop_after", 9)
    code, _ = antiphon("tune", "talk.yaml", "--store", "stopped", "--name", "found")
    assert code not in (0, 3)
    stopped = calls(tmp_path)
    monkeypatch.setattr(ByBeam, "stop_after", None)
    assert antiphon("tune", "talk.yaml", "--store", "stopped", "--name", "found")[0] == 0
    both = calls(tmp_path)
    assert sum(stopped.values()) > 24
    study = study_of(tmp_path, "found", "stopped")
    assert [each.number for each in study.tries] == list(range(7))
    assert sum(both.values()) == 36 + sum({"complete": 24, "pruned": 12}[t.state] for t in study.tries) + 24


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "de.beam_size:",
            "de.beam_sise:",
            "talk.yaml:7: search.de.beam_sise: de.beam_sise: translate has no such setting; did you mean",
        ),
        (
            "de.beam_size:",
            "dee.beam_size:",
            "talk.yaml:7: search.dee.beam_size: there is no node 'dee'; did you mean de?",
        ),
        (
            "[1, 2, 4, 8]",
            "[1, many]",
            "talk.yaml:7: search.de.beam_size: de.beam_size: expected a whole number, found 'many'",
        ),
        (
            "[1, 2, 4, 8]",
            "simplex(3)",
            "talk.yaml:7: search.de.beam_size: de.beam_size: expected a whole number",
        ),
        (
            "to: 2.0",
            "to: 9.0",
            "talk.yaml:8: search.nodes.de.length_penalty: de.length_penalty: expected at most 5.0, found 9.0",
        ),
        (
            "objectives: de.chrf",
            "objectives: de.wer",
            "talk.yaml:9: objectives: de.wer: expected a transcript",
        ),
        (
            "objectives: de.chrf",
            "objectives: wer",
            "expected a transcript to score, found no node that gives one",
        ),
        ("objectives: de.chrf", "objectives: da.chrf", "there is no node 'da'; known: de, pivot"),
        ("objectives: de.chrf", "objectives: de.chrff", "no such metric; did you mean chrf?"),
        ("objectives: de.chrf", "objectives: seconds", "expected a metric first, found seconds"),
        ("confirm: confirm.jsonl\n", "", "confirm: expected a data set that the search does not see"),
        (
            "confirm: confirm.jsonl",
            "confirm: data.jsonl",
            "talk.yaml:2: confirm: expected data that the search does not see",
        ),
        ("confirm: confirm.jsonl", "confirm: 1.5", "expected a share between 0 and 1, found 1.5"),
        ("confirm: confirm.jsonl", "confirm: confirn.jsonl", "confirn.jsonl"),
        ("sampler: random", "sampler: cma", "did you mean cma_es"),
        ("search:\n", "matrix: {de.beam_size: [1, 2]}\nsearch:\n", "expected none beside search"),
    ],
)
def test_a_search_that_cannot_begin_is_refused_with_its_line(
    antiphon: Command, tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "talk.yaml").write_text(FILE.replace(old, new, 1))
    code, said = antiphon("plan", "tune", "-c", "talk.yaml", "--store", "store")
    assert code == 2
    assert message in said
    assert not (tmp_path / "calls").exists()


def test_data_without_references_and_data_that_overlap_are_refused(antiphon: Command, tmp_path: Path) -> None:
    write_numbers(tmp_path / "confirm.jsonl", 20, 12)
    code, said = antiphon("tune", "talk.yaml", "--store", "store")
    assert code == 2
    assert "found 4 of 12 that are in data: u20, u21, u22 ..." in said
    assert not (tmp_path / "calls").exists()
