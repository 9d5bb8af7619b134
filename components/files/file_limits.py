"""What a file of a model may be: a regular file of sensible size."""

from __future__ import annotations

import stat
from pathlib import Path

from components.errors import ModelError

MAX_TEXT = 64 << 20
"""Bytes of a JSON, template or tokenizer file; the largest published tokenizers have half of it."""
TEXTS = frozenset({".json", ".txt", ".jinja", ".model", ".spm"})


def refuse_irregular(path: Path) -> None:
    """Refuse pipes, sockets and devices, and text files that are too large for what they are.

    Folders pass, and so does what does not exist: whoever needs the file says so.

    Raises:
        ModelError: The file is refused.
    """
    try:
        status = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise ModelError(
            f"{path}: expected a regular file, found a pipe, socket or device; fetch the model again"
        )
    if path.suffix in TEXTS and status.st_size > MAX_TEXT:
        raise ModelError(
            f"{path}: expected at most {MAX_TEXT >> 20} MiB, found {status.st_size >> 20}; give another model"
        )
