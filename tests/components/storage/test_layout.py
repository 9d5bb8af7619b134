"""The version of a store's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import StoreError
from components.storage import layout
from components.storage.layout import VERSION
from components.storage.store import Store
from tests.components.storage.upkeep.stores import write_stage


def test_a_new_store_says_its_version_once_it_is_written_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("stage", "run"):
        store = Store(str(tmp_path / name))
        assert not store.root.exists()
        if name == "stage":
            write_stage(store, "mt")
        else:
            with store.claim_run("cascade"):
                pass
        assert json.loads((store.root / "layout.json").read_bytes()) == {"version": VERSION}
    assert caplog.text == ""


def test_a_store_without_a_version_is_refused_in_one_line_and_not_touched(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    write_stage(store, "mt")
    (store.root / "layout.json").unlink()
    layout._current.clear()
    with pytest.raises(StoreError, match=r"expected .* found one without layout\.json, of an older"):
        Store(str(store.root))
    assert not (store.root / "layout.json").exists()


@pytest.mark.parametrize(("version", "advice"), [(99, "a newer Antiphon; upgrade"), (1, "an older Antiphon")])
def test_a_store_of_another_version_is_refused_in_one_line_and_not_touched(
    version: int, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "layout.json").write_text(json.dumps({"version": version}))
    with pytest.raises(
        StoreError, match=f"expected a store of layout {VERSION}, found layout {version}, of {advice}"
    ):
        Store(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["layout.json"]


def test_a_store_that_became_newer_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.root.mkdir()
    (store.root / "layout.json").write_text('{"version": 99}')
    with pytest.raises(StoreError, match="found layout 99"):
        store.mark_layout()
    assert json.loads((store.root / "layout.json").read_bytes()) == {"version": 99}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": "x"}'])
def test_a_damaged_version_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "layout.json").write_text(content)
    with pytest.raises(StoreError, match=r"layout.json: expected"):
        Store(str(tmp_path))
