from __future__ import annotations

from pathlib import Path

import pytest

from components import models
from components.errors import DataError, StoreError
from components.metrics.comparing import Comparison
from components.records import Audio, Hypothesis, NBest, RunRecord, StageRef, Utterance
from components.storage.store import Store
from reports import run_outputs as systems
from reports.results import read_comparison
from reports.run_outputs import check, cost_of, decoded, parameters_of
from tests.flows import fakes
from tests.reports.test_report_view import stage

HYPOTHESIS = Hypothesis(text="x", score=-1, n_tokens=1, system="s")
LINE = NBest(utterance_id="u", hypotheses=(HYPOTHESIS,)).model_dump_json() + "\n"
SOUND = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
DATA = Utterance(id="u", audio=SOUND, source_language="en").model_dump_json() + "\n"


def of(*refs: StageRef, flow: str = "cascade", status: str = "completed", **parameters: object) -> RunRecord:
    return RunRecord.model_validate(
        {
            "name": "mine",
            "flow": flow,
            "status": status,
            "parameters": parameters,
            "stages": refs,
            "metrics": {},
            "started": "",
            "finished": "",
        }
    )


def test_stages_of_hypotheses_are_told_by_what_they_hold(tmp_path: Path) -> None:
    refs = (
        stage(tmp_path, "data", outputs=DATA),
        stage(tmp_path, "mt-1-dev", outputs=LINE),
        stage(tmp_path, "refine-1", outputs=LINE),
        stage(tmp_path, "synthesis", outputs=DATA),
        stage(tmp_path, "metrics"),
    )
    assert [ref.stage for ref in decoded(of(*refs))] == ["refine-1"]


def test_the_cost_is_of_use_not_of_training_and_tuning(tmp_path: Path) -> None:
    names = ("training", "data-dev", "mt-1-dev", "mt-coefficients", "coefficients", "asr", "mt")
    refs = [stage(tmp_path, name, outputs=LINE) for name in names]
    run = of(stage(tmp_path, "data", outputs=DATA), *refs, stage(tmp_path, "metrics"))
    cost = cost_of(run, decoded(run), Store(str(tmp_path)))
    assert (cost.seconds, cost.calls, cost.real_time_factor) == (2.0, 2, 1.0)


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
    made, mt = stage(tmp_path, "training"), stage(tmp_path, "mt", outputs=LINE)
    check(of(mt))
    with pytest.raises(DataError, match="run mine: expected a finished run, found one that is cancelled"):
        check(of(mt, status="cancelled"))
    aside = mt.model_copy(update={"items": 3, "quarantined": 3})
    with pytest.raises(
        DataError, match="last stage mt, found all 3 records put aside; antiphon inspect mine"
    ):
        check(of(stage(tmp_path, "asr", outputs=LINE), aside))
    model = f"store:{made.key[:12]}"
    for flow in ("train", "distill", "experts"):  # a distillation holds what its teacher said
        with pytest.raises(
            DataError, match=rf"found one of {flow}, which makes a model; run a system with {model}"
        ):
            check(of(mt, made, flow=flow))
    with pytest.raises(DataError, match="found one of merge, which makes a model; run a system with it"):
        check(of(flow="merge"))
    with pytest.raises(DataError, match="found none in a run of compare; compare runs of cascade"):
        check(of(stage(tmp_path, "comparison"), flow="compare"))


def test_a_comparison_of_another_version_is_told_in_one_line(tmp_path: Path) -> None:
    found = Comparison(
        baseline="a", ranking=None, rows=(), differences=(), buckets=(), contrasts=(), n=0, n_total=3
    )
    ref = stage(tmp_path, "comparison")
    path = Path(ref.path) / "comparison.json"
    path.write_text(found.model_dump_json())
    assert read_comparison(ref) == found
    path.write_text(found.model_dump_json(exclude={"n"}))  # as if a field had been added since
    with pytest.raises(StoreError, match=r"comparison\.json: .* of another .* compare the runs again"):
        read_comparison(ref)
