"""An analysis of another package is one class and one entry; a name asks for nothing else to be imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from typing_extensions import override

from components.analysis.analysis import ANALYSES, Analysis, Computed, analysis_named
from components.analysis.table import Sentence, Table
from components.errors import ConfigError, StoreError
from components.files.files import read_json, write_json
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import TABLES
from components.storage.store import Store
from reports.page.report_view import view_of
from tests.components.storage.test_store import record
from tests.fresh_process import run_python
from tests.reports.printing import printed


class Lengths(Record):
    mean: float


class LengthAnalysis(Analysis[tuple[str, ...], Lengths]):
    kind, file, record = "lengths", "lengths.json", Lengths
    noun, remedy = "lengths", "measure again"

    @override
    def plan(self, request: tuple[str, ...], store: Store) -> StagePlan:
        return StagePlan(stage="lengths", kind="lengths", version="1", parameters={"texts": list(request)})

    @override
    def compute(self, request: tuple[str, ...], store: Store, folder: Path) -> Computed[Lengths]:
        return Computed(Lengths(mean=sum(map(len, request)) / len(request)), len(request))

    @override
    def verdict(self, findings: Lengths) -> list[Sentence]:
        return [Sentence(f"{findings.mean:.1f} characters.")]

    @override
    def tables(self, findings: Lengths) -> list[Table]:
        rows = ({"text": "all", "mean": f"{findings.mean:.1f}"},)
        return [Table("Lengths", "Means.", rows, columns=("text", "mean"))]


@pytest.fixture
def lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageRef:
    monkeypatch.setitem(ANALYSES, "lengths", LengthAnalysis())
    return analysis_named("lengths").run(("a", "abc"), Store(str(tmp_path)))


def test_page_terminal_and_file_have_the_same_table(lengths: StageRef, tmp_path: Path) -> None:
    (section,) = view_of(
        record("mine").model_copy(update={"stages": (lengths,)}), Store(str(tmp_path))
    ).sections
    assert section.note == "Means."
    assert "all 2.0" in " ".join(printed([section]).split())
    stored = read_json(Path(lengths.path) / TABLES)["tables"]
    assert stored == [
        {"title": "Lengths", "note": "Means.", "columns": ["text", "mean"], "rows": [dict(section.rows[0])]}
    ]


def test_it_is_computed_once_and_what_another_version_wrote_is_refused(
    lengths: StageRef, tmp_path: Path
) -> None:
    analysis = LengthAnalysis()
    again = analysis.run(("a", "abc"), Store(str(tmp_path)))
    assert (again.key, again.reused) == (lengths.key, True)
    write_json(Path(lengths.path) / "lengths.json", {"median": 2})
    with pytest.raises(StoreError, match=r"expected lengths of this version .*; measure again"):
        analysis.read(lengths)


def test_what_is_no_analysis_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected an analysis that is computed, one of blame, .*'x'"):
        analysis_named("x")
    with pytest.raises(ConfigError, match="found 'fit_route'"):
        analysis_named("fit_route")


def test_names_of_metrics_and_analyses_import_no_torch() -> None:
    run_python(
        "import sys\nfrom components.metrics.table import METRICS\n"
        "from components.analysis.analysis import ANALYSES\n"
        "assert METRICS['comet'].label == 'COMET' and 'comet' in list(METRICS)\n"
        "assert 'blame' in list(ANALYSES)\n"
        "assert 'torch' not in sys.modules"
    )
