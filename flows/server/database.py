"""Where Prefect keeps the history of local runs; this module imports no Prefect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class DatabaseUsage(NamedTuple):
    """Prefect's SQLite file, and its bytes with those of its logs; 0 where there is none."""

    path: Path
    bytes: int


def measure_database() -> DatabaseUsage:
    """Return what the database in ``PREFECT_HOME`` takes, which all local runs of this user share."""
    path = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser() / "prefect.db"
    files = (path.with_name(path.name + end) for end in ("", "-wal", "-shm"))
    return DatabaseUsage(path, sum(file.stat().st_size for file in files if file.is_file()))
