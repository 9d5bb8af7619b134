"""Ids that are taken, in a database of their own, most of which is on disk."""

from __future__ import annotations

import hashlib
import sqlite3

from components.errors import StoreError

ID_BYTES = 16
"""Of the digest of an id."""
_SETUP = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -8000;
CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN
"""


def digest_id(name: str) -> bytes:
    """Return what stands for an id."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).digest()


class UsedIds:
    """The ids of the rows so far."""

    def __init__(self) -> None:
        # Without a name: SQLite's own temporary file, which goes with the connection.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SETUP)

    def __contains__(self, name: str) -> bool:
        return self.has(digest_id(name))

    def add(self, name: str) -> bool:
        """Add an id; return False where it is taken."""
        return self.add_digest(digest_id(name))

    def has(self, digest: bytes) -> bool:
        """Return whether the id of a digest is taken."""
        return self._database.execute("SELECT 1 FROM ids WHERE id = ?", (digest,)).fetchone() is not None

    def add_digest(self, digest: bytes) -> bool:
        """Add the id of a digest; return False where it is taken. StoreError where the disk is full."""
        try:
            return self._database.execute("INSERT OR IGNORE INTO ids VALUES (?)", (digest,)).rowcount == 1
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"expected room for the ids of rows in the folder of temporary files, found none ({error}); "
                "free some space there, or name another folder by TMPDIR, and run the same command again"
            ) from error
