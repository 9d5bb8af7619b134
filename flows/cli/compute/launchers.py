"""What starts a command in several processes: the entry of ``antiphon.launchers``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from components.extensions import Extensions, accept_any

STARTED_BY = "TORCHELASTIC_RUN_ID"
"""Variable that torchrun sets."""


class Launcher(Protocol):
    """What starts processes and lets each do its part; a module may be one."""

    def run_over_processes(self, count: int, arguments: Sequence[str]) -> int:
        """Run an `antiphon` command in several processes of this machine; its exit code."""

    def lead_or_follow(self, run: Callable[[], object]) -> object:
        """In process 0 run; in the others compute what that orders. AntiphonError."""

    def hand_over(self, code: int) -> int:
        """Leave an exit code to what started the processes; return that of this one."""


LAUNCHERS: Extensions[Launcher] = Extensions("antiphon.launchers", "launcher", accept_any)


def is_one_of_several() -> bool:
    """Return whether this process was started with others."""
    return STARTED_BY in os.environ and int(os.environ["WORLD_SIZE"]) > 1
