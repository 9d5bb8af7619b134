"""Ends a child process with this one, even after ``kill -9``.

A shell waits for the end of a pipe whose other end only this process holds, then ends it. (Linux's
parent-death signal would do so when the *thread* that started the process ends.)
"""

from __future__ import annotations

import subprocess

_KILL_WITH_PARENT = 'read -r _; kill -s KILL -- "$1"'


class ProcessGuard:
    """The shell that will end a process; POSIX only.

    Args:
        process: its number; minus that of a process group for all of the group.
    """

    def __init__(self, process: int) -> None:
        self._shell = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
            ["/bin/sh", "-c", _KILL_WITH_PARENT, "antiphon's guard", str(process)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for the guard
        )

    def release(self) -> None:
        """End the shell, as the process has ended."""
        self._shell.kill()
        self._shell.communicate()
