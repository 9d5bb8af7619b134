"""Prune beside other processes: writers that begin in the middle of it, prunes that are killed, many at once.

Processes are forked, since they share nothing but the store's folder and begin at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.storage.runs import usage_leases
from components.storage.runs.accepted_runs import accept_run
from components.storage.runs.usage_leases import UsageLeases
from components.storage.store import Store
from components.storage.store_files import LocalFiles
from components.storage.upkeep.prune import PruneOptions, prune
from components.storage.upkeep.run_changes import delete_run
from components.storage.upkeep.verification import verify_store
from tests.components.storage.upkeep.stores import forget_own_uses, keys_of, save_run, write_data, write_stage

NOW = PruneOptions(grace=0.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def fork(work: Callable[[], object]) -> int:
    """Do some work in a process of its own; its exit code is 0 if nothing was raised."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        usage_leases._processes.clear()  # those of the parent stay the parent's
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    for notes in usage_leases._processes.values():
        notes.close()
    os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a process, a minute at most."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("a process does not end")


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("moment", ["before the notes are read", "after they are read"])
def test_a_writer_that_begins_in_the_middle_of_a_prune_ends_with_a_whole_stage(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It waits; then it finds the stage, whose note prune has read, or computes it again."""
    ref = write_stage(store, "mt")
    forget_own_uses()
    read, calls = UsageLeases.read_notes, []

    def pausing(*arguments: Any) -> set[str]:
        calls.append(1)
        used = set() if moment.startswith("before") else read(*arguments)
        if len(calls) == 2:  # the first looks, the second decides
            (tmp_path / "paused").touch()
            wait_for(tmp_path / "go")
        return read(*arguments) if moment.startswith("before") else used

    monkeypatch.setattr(UsageLeases, "read_notes", pausing)
    pruner = fork(lambda: prune(store, NOW))
    wait_for(tmp_path / "paused")

    def write() -> None:
        with store.claim_run("cascade", "new"):
            mine = write_stage(Store(str(store.root)), "mt")
            (tmp_path / "reused").write_text(str(mine.reused))
            store.localize(mine)

    writer = fork(write)
    wait_for(store.root / "runs" / "new" / "working" / ref.key)
    time.sleep(0.2)
    assert not (tmp_path / "reused").exists()  # it waits
    (tmp_path / "go").touch()
    assert (exit_code(pruner), exit_code(writer)) == (0, 0)
    assert (tmp_path / "reused").read_text() == str(moment.startswith("before"))
    assert keys_of(store) == {ref.key}


def test_a_prune_that_is_killed_anywhere_leaves_a_store_that_works_and_can_be_pruned(tmp_path: Path) -> None:
    """Killed before its first change, its second, ...: every run loads, a writer goes on, prune ends it."""
    names = ("write", "discard", "remove", "empty_trash")
    for changes in range(40):
        store = Store(str(tmp_path / str(changes)))
        refs = [write_stage(store, "mt", seed=seed) for seed in range(4)]
        save_run(store, "mine", refs[:1])
        save_run(store, "old", refs[1:2], started="2025-01-01T00:00:00+00:00")
        accept_run(store, "mine")
        (store.stages / f"{'a' * 64}.damaged-x").mkdir()
        (store.stages / f"{'a' * 64}.damaged-x" / "y").touch()
        forget_own_uses()
        code = exit_code(fork(lambda: prune_and_die(store, names, changes)))  # noqa: B023 - called now
        assert code in {0, -signal.SIGKILL}
        assert Store(str(store.root)).load_run("mine").completed
        assert write_stage(store, "mt", seed=2).items == 1  # a writer does not wait for a dead prune
        forget_own_uses()
        prune(store, PruneOptions(keep_runs=0, grace=0.0))
        assert keys_of(store) == {refs[0].key}
        assert verify_store(store).faults == ()
        assert not (store.root / "trash").exists()
        if code == 0:
            assert changes > 5
            return
    raise AssertionError("prune never came to its end")


def prune_and_die(store: Store, names: tuple[str, ...], changes: int) -> None:
    """Prune, and be killed at the change after so many."""
    left = [changes]

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return change(*arguments)

        return call

    for name in names:
        setattr(LocalFiles, name, counted(getattr(LocalFiles, name)))
    prune(store, PruneOptions(keep_runs=0, grace=0.0))


def test_runs_beside_prunes_keep_all_their_stages(store: Store) -> None:
    """Runs share stages, end, are deleted and come again, while two processes prune all the time."""
    until = time.monotonic() + 1.0
    store.mark_layout()

    def prune_always() -> None:
        while time.monotonic() < until:
            try:
                prune(Store(str(store.root)), NOW)
            except Exception as error:
                if "being pruned by" not in str(error):
                    raise

    def run_always(name: str) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            mine = Store(str(store.root))
            with mine.claim_run("cascade", name):
                refs = [write_data(mine)]
                for node in ("asr", "mt", "final"):
                    refs.append(write_stage(mine, node, refs[-1], seed=number % 3))
                    for ref in refs:
                        mine.localize(ref)
                mine.save_run(recorded(mine, name, refs))
            assert len(mine.load_run(name).stages) == 4
            delete_run(mine, name)
            forget_own_uses()

    def recorded(mine: Store, name: str, refs: list[object]) -> object:
        from tests.components.storage.test_store import record

        return record(name, stages=tuple(refs))

    workers = [fork(lambda name=name: run_always(name)) for name in ("a", "b")]
    pruners = [fork(prune_always) for _ in range(2)]
    assert [exit_code(pid) for pid in (*workers, *pruners)] == [0, 0, 0, 0]
    prune(store, NOW)
    assert keys_of(store) == set()
    assert verify_store(store).faults == ()
