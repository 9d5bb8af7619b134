"""Permission to run the user's own code: granted on this machine's command line, not by a deployment.

A parameter of a deployment is set by whoever may start its runs; code that it names would run with the rights
of the worker. So a worker runs such code only where its environment says so.
"""

from __future__ import annotations

import os

from components.errors import ConfigError

VARIABLE = "ANTIPHON_ALLOW_CODE"


def allow_own_code() -> None:
    """Allow own code in this process and in those that it starts: its user has named the file here."""
    os.environ[VARIABLE] = "1"


def is_own_code_allowed() -> bool:
    """Return whether own code may run here."""
    return os.environ.get(VARIABLE) == "1"


def require_permission(what: str) -> None:
    """Refuse to go on where own code may not run.

    Args:
        what: what would run, for the message.

    Raises:
        ConfigError: own code is not allowed here.
    """
    if not is_own_code_allowed():
        raise ConfigError(
            f"expected permission to run {what}, found none; at your keyboard set {VARIABLE}=1 (or antiphon "
            "edit --allow-code), on a worker only if all who may start its deployments may run code there"
        )
