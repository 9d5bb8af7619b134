from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.run_record import StageRef
from components.storage.store import Store
from reports.views.campaign_candidates import choose_output, load_systems
from tests.components.storage.written import written
from tests.reports.example_runs import nbest
from tests.reports.views.test_run_outputs import of


def seal(store: Store, name: str) -> StageRef:
    return written(store, name, [nbest("u", ["a dog"], name)])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two systems, one of them without translations, and a comparison of both."""
    store = Store(str(tmp_path / "store"))
    asr, mt = seal(store, "asr"), seal(store, "mt")
    transcripts, both = of(asr), of(asr, mt)
    compared = of(graph=(), flow="compare").model_copy(update={"systems": {"a": "heard", "b": "both"}})
    for name, run in {"heard": transcripts, "both": both, "compared": compared}.items():
        store.save_run(run.model_copy(update={"name": name}))
    return store


def test_a_comparison_stands_for_the_runs_that_it_compares(store: Store) -> None:
    assert list(load_systems(["both", "compared"], store)) == ["both", "heard"]


def test_one_system_cannot_be_judged_against_another(store: Store) -> None:
    with pytest.raises(ConfigError, match="expected 2 to 26 systems to judge, found heard; name "):
        load_systems(["heard", "heard"], store)


def test_the_output_to_judge_is_one_that_all_runs_have(store: Store) -> None:
    both = load_systems(["both", "heard"], store)
    assert choose_output({"both": both["both"]}, None) == "translation"
    assert choose_output(both, None) == "transcript"
    with pytest.raises(
        ConfigError, match="runs that all have a translation, found both, heard to share transcript"
    ):
        choose_output(both, "translation")
    with pytest.raises(ConfigError, match=r"--output: .* found 'transcripts'.*did you mean.*transcript"):
        choose_output(both, "transcripts")
