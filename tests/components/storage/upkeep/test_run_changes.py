"""Renaming, deleting and accepting runs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from components.errors import ConfigError, StoreError
from components.storage.runs.accepted_runs import accept_run, find_baseline, revoke_acceptance
from components.storage.runs.baseline_run import acceptance_file, read_acceptance
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from components.storage.store_files import LocalFiles
from components.storage.upkeep.run_changes import check_deletable, delete_run, rename_run
from tests.components.storage.upkeep.stores import keys_of, save_run, write_data, write_stage


def test_a_renamed_run_is_the_same_by_another_name(store: Store) -> None:
    run = save_run(store, "old", [write_stage(store, "mt")])
    parameters = {
        "draft": "old",
        "runs": ["old", "b"],
        "model": "store:old@3",
        "other": "old",
        "name": "versus",
    }
    first = save_run(store, "versus", [], systems={"old": "old", "b": "b"}, parameters=parameters)
    store.save_run(first.model_copy(update={"status": "failed"}))  # two records of one run name it
    save_run(store, "alone", [], parameters={"data": "old.jsonl"})
    store.backend.files.write("runs/old/report.html", b"<p>")
    assert rename_run(store, "old", "new") == ["versus"]
    assert store.load_run("new").model_copy(update={"name": "old", "stages": run.stages}) == run
    assert json.loads(store.backend.files.read("runs/new/run.json") or b"")["name"] == "new"
    assert store.backend.files.read("runs/new/report.html") == b"<p>"
    versus = store.load_run("versus")
    assert versus.systems == {"old": "new", "b": "b"}
    assert versus.parameters == {**parameters, "draft": "new", "runs": ["new", "b"], "model": "store:new@3"}
    assert store.load_run("alone").parameters == {"data": "old.jsonl"}
    assert store.backend.list_run_names() == ["alone", "new", "versus"]
    with pytest.raises(StoreError, match="no run 'old'"):
        store.load_run("old")


def test_names_that_a_run_cannot_get(local: Store) -> None:
    save_run(local, "a", [])
    save_run(local, "b", [])
    for new, match in (("b", "expected a name that no run has, found 'b'"), ("../c", "expected a run name")):
        with pytest.raises(ConfigError, match=match):
            rename_run(local, "a", new)
    with pytest.raises(StoreError, match="no run 'none'"):
        rename_run(local, "none", "c")
    with (
        local.claim_run("cascade", "working"),
        pytest.raises(StoreError, match="working is being written by"),
    ):
        rename_run(local, "working", "c")


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_renaming_that_was_killed_anywhere_is_ended_by_another(
    store: Store, is_complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On object storage files are copied one by one, and removed so."""
    killed_at = 0
    while killed_at < 30:
        killed_at += 1
        old, new = f"old-{killed_at}", f"new-{killed_at}"
        run = save_run(store, old, [], status="completed" if is_complete else "failed")
        save_run(store, f"versus-{killed_at}", [], systems={"x": old})
        store.backend.files.write(f"runs/{old}/report.html", b"<p>")
        with monkeypatch.context() as patch:
            if not kill_at(patch, store, killed_at, lambda old=old, new=new: rename_run(store, old, new)):
                break
        rename_run(store, old, new)
        assert store.load_run(f"versus-{killed_at}").systems == {"x": new}
        assert store.load_run(new) == run.model_copy(update={"name": new})
        assert json.loads(store.backend.files.read(f"runs/{new}/run.json") or b"")["name"] == new
        assert store.backend.files.read(f"runs/{new}/report.html") == b"<p>"
        assert not store.backend.has_run(old)
    assert killed_at in ((5,) if isinstance(store.backend.files, LocalFiles) else range(9, 20))


def kill_at(patch: pytest.MonkeyPatch, store: Store, number: int, call: Callable[[], object]) -> bool:
    """Return whether a call was killed as it began its change of the store of that number."""
    left = number

    def before(change: Callable[..., None]) -> Callable[..., None]:
        def may_die(*arguments: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            change(*arguments)

        return may_die

    is_local = isinstance(store.backend.files, LocalFiles)
    for name in ("write", "rename" if is_local else "copy", "remove"):
        patch.setattr(store.backend.files, name, before(getattr(store.backend.files, name)))
    patch.setattr(store.backend, "forget_run", before(store.backend.forget_run))
    try:
        call()
    except KeyboardInterrupt:
        return True
    return False


def test_a_run_that_was_moved_by_hand_has_the_name_of_its_folder(local: Store) -> None:
    save_run(local, "old", [])
    local.run_folder("old").rename(local.run_folder("new"))
    assert local.load_run("new").name == "new"


def test_a_deleted_run_leaves_its_stages(store: Store) -> None:
    ref = write_stage(store, "mt")
    save_run(store, "mine", [ref])
    delete_run(store, "mine")
    assert store.backend.list_run_names() == []
    assert keys_of(store) == {ref.key}
    with pytest.raises(StoreError, match="no run 'mine'"):
        store.load_run("mine")
    with pytest.raises(StoreError, match="no run 'mine'"):
        delete_run(store, "mine")
    with store.claim_run("cascade", "mine"):  # its name is free
        store.save_run(save_run(store, "other", []).model_copy(update={"name": "mine", "status": "failed"}))
    assert store.load_run("mine").status == "failed"


def test_what_is_not_deleted(local: Store) -> None:
    save_run(local, "a", [])
    save_run(local, "versus", [], systems={"x": "a"})
    with pytest.raises(ConfigError, match=r"run a: versus compares it .*, or --force"):
        check_deletable(local, "a")
    check_deletable(local, "a", ["a", "versus"])
    accept_run(local, "versus")
    with pytest.raises(ConfigError, match=r"versus is accepted.* --undo first, or --force"):
        check_deletable(local, "versus")
    with pytest.raises(StoreError, match="no run 'none'"):
        check_deletable(local, "none")
    with (
        local.claim_run("cascade", "working"),
        pytest.raises(StoreError, match=r"working is being written .*stop it"),
    ):
        delete_run(local, "working")


def test_the_accepted_run_is_the_baseline_of_its_data(store: Store) -> None:
    data = write_data(store)
    for name in ("first", "second", "new"):
        save_run(store, name, [data])
    save_run(store, "elsewhere", [write_data(store, text="a cat")])
    assert accept_run(store, "first", "shipped") is None
    assert accept_run(store, "second") == "first"
    assert accept_run(store, "elsewhere") is None
    assert {run.name for run in list_runs(store) if run.acceptance} == {"second", "elsewhere"}
    assert find_baseline(store, store.load_run("new")).name == "second"
    copies = [
        (acceptance_file(name), store.backend.files.read(acceptance_file("second")))
        for name in ("first", "new")
    ]
    for name, content in copies:  # of a kill between two steps
        store.backend.files.write(name, content or b"")
    accept_run(store, "second")
    assert {run.name for run in list_runs(store) if run.acceptance} == {"second", "elsewhere"}
    with pytest.raises(ConfigError, match="run second is itself the accepted run of its data"):
        find_baseline(store, store.load_run("second"))
    revoke_acceptance(store, "second")
    with pytest.raises(
        ConfigError, match=r"expected an accepted run of the same data, found none; accept one"
    ):
        find_baseline(store, store.load_run("new"))
    with pytest.raises(ConfigError, match=r"run second: expected an accepted run.*; accepted: elsewhere"):
        revoke_acceptance(store, "second")


def test_of_several_flows_the_same_one_counts(local: Store) -> None:
    data = write_data(local)
    new = save_run(local, "new", [data])
    save_run(local, "a", [data], flow="stack")
    save_run(local, "b", [data], flow="refine")
    accept_run(local, "a")
    assert find_baseline(local, new).name == "a"
    accept_run(local, "b")
    with pytest.raises(
        ConfigError, match=r"expected one accepted run of the same data, found a \(stack\), b"
    ):
        find_baseline(local, new)
    save_run(local, "c", [data])
    accept_run(local, "c")
    assert find_baseline(local, new).name == "c"


def test_a_run_that_did_not_complete_is_not_accepted(local: Store) -> None:
    with local.claim_run("cascade", "bad"):
        local.save_run(save_run(local, "x", []).model_copy(update={"name": "bad", "status": "failed"}))
    with pytest.raises(ConfigError, match="bad: expected a run that completed, found one that is failed"):
        accept_run(local, "bad")
    (local.run_folder("x") / "accepted.json").write_text("{")
    with pytest.raises(StoreError, match=r"x/accepted.json: expected an acceptance"):
        read_acceptance(local, "x")


def test_a_damaged_record_is_left_as_it_is(local: Store) -> None:
    """Writing it anew, with a digest that fits, would make it look whole."""
    save_run(local, "old", [])
    save_run(local, "versus", [], systems={"old": "old"})
    path = local.run_folder("versus") / "run.json"
    path.write_bytes(damaged := path.read_bytes().replace(b"completed", b"suspended"))
    assert rename_run(local, "old", "new") == []
    assert path.read_bytes() == damaged
