from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from components import models
from components.analysis import run_outputs as systems
from components.analysis.run_outputs import (
    LATENCY,
    cost_of,
    data_of,
    output_of,
    parameters_of,
    read_plan,
    text_stages,
)
from components.comparison.analysis import COMPARISON
from components.comparison.comparable_runs import check_comparable
from components.comparison.comparison import Comparison
from components.comparison.systems import load_same_data
from components.errors import DataError, StoreError
from components.files.files import write_json
from components.records import Audio, Utterance
from components.run_record import NodeRecord, PipelineRecord, RunRecord, StageRef
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from tasks.execution.latency import summarize_latency
from tests.flows import fakes
from tests.reports.example_runs import node
from tests.reports.page.test_report_view import stage

SOUND = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
DATA = Utterance(id="u", audio=SOUND, source_language="en")


GRAPH = (
    node("dev", "data", output="data", language=None),
    node("mt-1-dev", "translate", "dev"),
    node("weights", "tune", "mt-1-dev", output="table", whole=True, language=None),
    node("soup", "merge", output="model", whole=True, language=None),
    node("asr", "recognize", "data", language="source"),
    node("doubt", "route", "asr", output="table", language=None),
    node("mt", "translate", reads={"of0": "asr", "when": "doubt", "model": "soup", "table": "weights"}),
    node("refine-1", "refine_round", "mt"),
)
"""A system that is tuned and whose model is made on the way."""


def of(
    *refs: StageRef, graph: Sequence[NodeRecord] = GRAPH, flow: str = "cascade", status: str = "completed"
) -> RunRecord:
    texts = [
        utterance
        for utterance in graph
        if utterance.output == "text" and any(ref.stage == utterance.name for ref in refs)
    ]
    outputs = {
        "transcript" if utterance.transcribes else "translation": utterance.name for utterance in texts
    }
    return RunRecord.model_validate(
        {
            "name": "mine",
            "flow": flow,
            "status": status,
            "parameters": {},
            "stages": refs,
            "pipeline": PipelineRecord(nodes=tuple(graph), outputs=outputs),
            "metrics": {},
            "started": "2026-01-01T00:00:00+00:00",
            "finished": "2026-01-01T00:01:00+00:00",
        }
    )


def test_what_a_system_wrote_of_its_own_data_is_told_by_its_graph(tmp_path: Path) -> None:
    names = ("data", *(utterance.name for utterance in GRAPH), "metrics")
    run = of(*(stage(tmp_path, name) for name in names))
    assert [ref.stage for ref in text_stages(run)] == ["asr", "mt", "refine-1"]
    outputs = {role: output_of(run, role) for role in ("transcript", "translation")}
    assert {role: ref and ref.stage for role, ref in outputs.items()} == {
        "transcript": "asr",
        "translation": "refine-1",
    }


def test_the_cost_is_of_use_not_of_training_and_tuning(tmp_path: Path) -> None:
    names = ("dev", "mt-1-dev", "weights", "soup", "asr", "doubt", "mt", "metrics")
    refs = [stage(tmp_path, "data", DATA), *(stage(tmp_path, name) for name in names)]
    cost = cost_of(of(*refs), Store(str(tmp_path)))
    assert (cost.seconds, cost.calls, cost.real_time_factor) == (3.0, 2, 1.5)
    assert (cost.price_per_hour, cost.latency, cost.characters) == (None, None, None)
    written = DATA.model_copy(update={"id": "t", "audio": None, "text": "Hi"})
    refs[0] = stage(tmp_path / "mixed", "data", DATA, written)
    cost = cost_of(of(*refs), Store(str(tmp_path)))
    assert cost.real_time_factor is None  # seconds of texts, too, over those of audio


def test_a_node_that_no_output_comes_from_costs_nothing(tmp_path: Path) -> None:
    """Such as the teacher beside its student, where systems of one graph are compared."""
    graph = (*GRAPH, node("teacher", "translate", "asr"))
    names = ("asr", "doubt", "mt", "teacher")
    run = of(stage(tmp_path, "data", DATA), *(stage(tmp_path, name) for name in names), graph=graph)
    outputs = {"transcript": "asr", "translation": "mt"}
    run = run.model_copy(update={"pipeline": run.pipeline.model_copy(update={"outputs": outputs})})
    assert cost_of(run, Store(str(tmp_path))).seconds == 3.0
    of_teacher = {"pipeline": run.pipeline.model_copy(update={"outputs": {"translation": "teacher"}})}
    assert cost_of(run.model_copy(update=of_teacher), Store(str(tmp_path))).seconds == 2.0


def test_a_runs_own_price_comes_before_that_of_a_comparison(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    run = of(stage(tmp_path, "data", DATA), stage(tmp_path, "asr"))
    assert cost_of(run, store, 2.0).price_per_hour == 2.0
    priced = run.model_copy(update={"parameters": {"price_per_hour": 1.2}})
    assert cost_of(priced, store, 2.0).price_per_hour == 1.2
    latency = summarize_latency([0.5] * 20, 10.0)
    write_json(store.run_folder(run.name) / LATENCY, {"system": latency.model_dump(mode="json")})
    assert cost_of(run, store).latency == latency


def test_every_model_that_a_run_used_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins once, whatever they are called; what only trained, tuned or is shown without weights not."""
    sizes = {"hub:a": 1, "hub:b": 10, "hub:editor": 1000}

    def resolve(reference: str, store: str | None) -> object:
        return fakes.resolve(reference).model_copy(update={"path": reference})

    monkeypatch.setattr(models, "resolve", resolve)
    monkeypatch.setattr(systems, "count_parameters", lambda path: sizes[str(path)])
    store = Store(str(tmp_path))
    mt = stage(tmp_path, "mt", models={"member1": "hub:a", "member2": "hub:b", "member3": "hub:a"})
    refined = stage(tmp_path, "refine-1", models={"model": "hub:editor", "gate": "hub:a"})
    tuned = stage(tmp_path, "mt-1-dev", models={"model": "hub:unknown"})
    assert parameters_of(of(mt), store) == 11
    assert parameters_of(of(tuned, mt, refined), store) == 1011
    assert parameters_of(of(stage(tmp_path, "metrics")), store) is None


def test_runs_that_are_no_system_are_refused_with_what_to_do(tmp_path: Path) -> None:
    made, mt = stage(tmp_path, "soup"), stage(tmp_path, "mt")
    check_comparable(of(made, mt))  # its model is for itself
    with pytest.raises(DataError, match="run mine: expected a finished run, found one that is cancelled"):
        check_comparable(of(mt, status="cancelled"))
    aside = mt.model_copy(update={"items": 3, "quarantined": 3})
    with pytest.raises(
        DataError, match="last stage mt, found all 3 records quarantined; antiphon inspect mine --node mt"
    ):
        check_comparable(of(stage(tmp_path, "asr"), aside))
    model = f"store:{made.key[:12]}"
    teacher = [utterance for utterance in GRAPH if utterance.name == "soup"], node("mt", "translate", "data")
    for graph in (teacher[0], [*teacher[0], teacher[1]]):  # a distillation holds what its teacher said
        with pytest.raises(
            DataError, match=rf"found one of train, which makes a model; run a system with {model}"
        ):
            check_comparable(of(mt, made, graph=graph, flow="train"))
    with pytest.raises(DataError, match="found one of merge, which makes a model; run a system with it"):
        check_comparable(of(graph=teacher[0], flow="merge"))
    with pytest.raises(DataError, match="found none in a run of compare; compare runs of a system"):
        check_comparable(of(stage(tmp_path, "comparison"), graph=(), flow="compare"))


def test_a_comparison_of_another_version_is_told_in_one_line(tmp_path: Path) -> None:
    result = Comparison(
        baseline="a", ranking=None, rows=(), differences=(), buckets=(), contrasts=(), n=0, n_total=3
    )
    ref = stage(tmp_path, "comparison")
    path = Path(ref.path) / "comparison.json"
    path.write_text(result.model_dump_json())
    assert COMPARISON.read(ref) == result
    path.write_text(result.model_dump_json(exclude={"n"}))  # as if a field had been added since
    with pytest.raises(StoreError, match=r"comparison\.json: .* of another .* compare the runs again"):
        COMPARISON.read(ref)


def test_runs_of_the_same_utterances_must_have_the_same_references(tmp_path: Path) -> None:
    def data(name: str, *references: str) -> RunRecord:
        (tmp_path / name).mkdir()
        utterance = Utterance(id="u", text="a dog", source_language="en", references=references)
        return of(stage(tmp_path / name, "data", utterance))

    a, b = data("a", "ein Hund"), data("b", "ein Hund", "der Hund")
    assert [utterance.id for utterance in load_same_data({"a": a, "again": a})] == ["u"]
    with pytest.raises(DataError, match=r"^u: expected the same reference texts in a and b$"):
        load_same_data({"a": a, "b": b})
    with pytest.raises(DataError, match="run mine: expected a data stage, found none; it cannot be compared"):
        data_of(of(stage(tmp_path, "mt")))


def test_a_stage_whose_plan_is_gone_names_no_models(tmp_path: Path) -> None:
    ref = stage(tmp_path, "mt", models={"model": "hub:a"})
    assert read_plan(ref)["models"] == {"model": "hub:a"}
    (Path(ref.path) / SEAL).unlink()
    assert read_plan(ref) == {}
    assert parameters_of(of(ref), Store(str(tmp_path))) is None
