"""Who holds a lock, as its holder has told it."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.storage.places import locks


def tell(root: Path, **claim: object) -> None:
    path = locks.path_of(root, "x").with_suffix(".holder")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"since": "2026", **claim}))


def test_a_dead_process_of_this_machine_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        pass
    tell(tmp_path, pid=process.pid, host=socket.gethostname())
    assert locks.holder_of(tmp_path, "x") is None
    tell(tmp_path, pid=process.pid, host="elsewhere")  # what lives there is not known here
    assert locks.holder_of(tmp_path, "x") == f"process {process.pid} on elsewhere since 2026"


def test_a_process_of_another_user_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tell(tmp_path, pid=os.getpid(), host=socket.gethostname())
    monkeypatch.setattr(os, "kill", refuse)
    assert locks.holder_of(tmp_path, "x") == f"process {os.getpid()} on {socket.gethostname()} since 2026"


def test_a_lock_on_a_read_only_disk_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> bool:
        raise OSError(errno.EROFS, "Read-only file system")

    path = locks.path_of(tmp_path, "x")
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(locks, "_try_acquire", refuse)
    assert locks.is_held(path)
    locks.clean_up(tmp_path)
    assert path.exists()
