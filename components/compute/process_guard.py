"""Ends child processes with this one, even after ``kill -9``.

A shell waits for the end of a pipe whose other end only this process holds, then ends them. (Linux's
parent-death signal would do so when the *thread* that started the process ends.)
"""

from __future__ import annotations

import os
import signal
import subprocess

_KILL_WITH_PARENT = "trap '' HUP INT QUIT TERM; read -r _; kill -s KILL -- \"$1\""


class ProcessGuard:
    """The shell that will end a process, or a group of processes that it leads; POSIX only.

    The group is there before what is started into it (``process_group=guard.group``), so that nothing of it
    is ever without a guard. Ctrl-C is not for it.

    Args:
        process: none for the group.
    """

    def __init__(self, process: int | None = None) -> None:
        self._shell = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
            ["/bin/sh", "-c", _KILL_WITH_PARENT, "antiphon's guard", str(process or 0)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self.group = self._shell.pid

    def release(self) -> None:
        """End the shell, and whatever else is of its group."""
        if self._shell.returncode is None:  # else its number may be another's by now
            os.killpg(self.group, signal.SIGKILL)
            self._shell.communicate()
