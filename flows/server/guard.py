"""Ends a child process with this one, even after ``kill -9``.

A shell waits for the end of a pipe whose other end only this process holds, then ends it. (Linux's
parent-death signal would do so when the *thread* that started the process ends.)
"""

from __future__ import annotations

import subprocess

_KILL_WITH_PARENT = 'read -r _; kill -9 "$1"'


def guard(process: int) -> subprocess.Popen[bytes]:
    """The shell that will end ``process``; POSIX only."""
    return subprocess.Popen(  # noqa: S603 - nothing of it is a user's
        ["/bin/sh", "-c", _KILL_WITH_PARENT, "guard of a Prefect server", str(process)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not for the guard
    )
