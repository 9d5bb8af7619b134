"""Answers of served models, kept until their stage is finished and for a while after.

A stage is stored shard by shard. What was answered of a shard that was broken off is not asked, and paid for,
again: an answer is found by everything that was sent and by what the server said of itself.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from components.files.digests import cache_folder

KEEP_SECONDS = 7 * 24 * 3600
_TABLES = (
    "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, body TEXT NOT NULL, time REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS answers_by_time ON answers (time)",  # or each answer would read all bodies
)


def answers_file() -> Path:
    """Return the file of kept answers; it can be deleted at any time."""
    return cache_folder() / "served" / "answers.sqlite"


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        for statement in _TABLES:
            connection.execute(statement)
        yield connection


def recall(request: str) -> str | None:
    """Return the kept answer of a request by its digest, if there is one.

    A cache that cannot be read or written costs requests, nothing else.
    """
    try:
        with _open(answers_file()) as connection:
            row = connection.execute("SELECT body FROM answers WHERE request = ?", (request,)).fetchone()
    except (sqlite3.Error, OSError):
        return None
    return None if row is None else str(row[0])


def keep(request: str, body: str) -> None:
    """Keep the answer of a request; those of more than a week ago are dropped."""
    now = time.time()
    try:
        with _open(answers_file()) as connection:
            connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (request, body, now))
            connection.execute("DELETE FROM answers WHERE time < ?", (now - KEEP_SECONDS,))
    except (sqlite3.Error, OSError):
        return
