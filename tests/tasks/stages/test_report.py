from __future__ import annotations

from pathlib import Path

import pytest

from components.comparison.external.added_scores import add_scores
from components.errors import ConfigError
from components.metrics.scores_settings import ScoresFile
from components.storage.store import Store
from tasks.stages.report_again import write_store_index
from tests.components.storage.test_store import record


def test_the_index_of_a_store_leads_to_its_runs(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    for name in ("old", "new"):
        store.save_run(record(name))
    page = write_store_index(store)
    assert page.parent == store.root
    assert all(f">{name}<" in page.read_text(encoding="utf-8") for name in ("old", "new"))


def test_scores_of_a_comparison_are_refused_with_the_command_that_takes_them(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.save_run(record("both", systems={"a": "tuesday", "b": "friday"}))
    scores = tmp_path / "scores.tsv"
    scores.write_text("id\tsystem\tvalue\nu\ta\t1\n")
    with pytest.raises(
        ConfigError, match="run both compares others: antiphon compare tuesday friday --scores NAME=FILE"
    ):
        add_scores("both", [ScoresFile.model_validate(f"esa={scores}")], store)
