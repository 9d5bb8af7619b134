"""What a machine of a cluster has of Antiphon; only the standard library, as it travels as source text."""

from __future__ import annotations

import hashlib
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("components", "tasks")
"""The packages that workers import."""


def describe_installation() -> dict[str, str]:
    """Return host, version of Python, version of Antiphon and digest of its source files."""
    digest, found = hashlib.sha256(), True
    for package in PACKAGES:
        spec = find_spec(package)
        folders = [] if spec is None else list(spec.submodule_search_locations or ())
        found = found and bool(folders)
        for folder in folders:
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
                digest.update(path.read_bytes())
    try:
        installed = version("antiphon")
    except PackageNotFoundError:
        installed = "none"
    return {
        "host": socket.gethostname(),
        "Python": ".".join(map(str, sys.version_info[:2])),
        "Antiphon": f"{installed} ({digest.hexdigest()[:12]})" if found else "none",
    }
