"""Programs that start a command in several processes, which train together; they come by entry points.

A launcher is a module with ``run_over_processes``, ``lead_or_follow`` and ``hand_over``.
"""

from __future__ import annotations

import os
from typing import Any

from components.extensions import Extensions, accept_any

LAUNCHERS: Extensions[Any] = Extensions("antiphon.launchers", "launcher", accept_any)
TORCHRUN = "torchrun"
STARTED_BY = "TORCHELASTIC_RUN_ID"
"""Variable that torchrun sets."""


def is_one_of_several() -> bool:
    """Whether torchrun started this process and others."""
    return STARTED_BY in os.environ and int(os.environ["WORLD_SIZE"]) > 1
