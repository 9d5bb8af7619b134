"""How kept outputs came about, and the files they are kept in: gzip that is the same for the same content."""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.common.paths import RESULTS, ROOT
from components.files.digests import data_folder
from components.files.files import write_atomically

OUTPUTS = RESULTS / "outputs"
"""The folder of kept outputs."""
LIBRARIES = (
    *("torch", "transformers", "sacrebleu", "jiwer", "numpy", "prefect"),
    *("openai-whisper", "faster-whisper", "ctranslate2"),
)


class Manifest(BaseModel):
    """What made kept outputs: command, code, libraries, machine, and the models by settings and digest."""

    model_config = ConfigDict(extra="forbid")

    command: str
    commit: str = Field(description="of the code that ran; + where files differed from it")
    date: str
    libraries: dict[str, str]
    processor: str
    load: float | None = Field(None, description="average of the last minute at the start, for timings")
    models: dict[str, Any] = Field(
        {}, description="model -> settings of its training, weights' sha256, minutes"
    )
    settings: dict[str, Any] = {}
    transcribed_from: str | None = Field(
        None, description="page and commit, where older numbers were kept late"
    )
    notes: tuple[str, ...] = Field((), description="by hand; the page prints them under Notes")


def describe_run(command: str, **fields: Any) -> Manifest:
    """The manifest of what runs now by ``command``."""
    return Manifest(
        command=command,
        commit=current_commit(),
        date=datetime.now(UTC).date().isoformat(),
        libraries=_installed_versions(),
        processor=f"{processor_name()}, {os.cpu_count()} cores",
        load=round(os.getloadavg()[0], 1),
        **fields,
    )


def portable(value: Any) -> Any:
    """A setting without the folders of this machine: paths begin at the repository or the folder of data."""
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if not isinstance(value, str | Path) or not Path(value).is_absolute():
        return str(value) if isinstance(value, Path) else value
    path = Path(value)
    for root, name in ((data_folder(), "$ANTIPHON_DATA"), (ROOT, "."), (Path.home(), "~")):
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    return path.name


@cache
def source_digest() -> str:
    """SHA-256 of the sources of ``components``: what is cached for one code is not another's."""
    digest = sha256()
    for path in sorted((ROOT / "components").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def current_commit() -> str:
    """Short hash of the checkout, with + where the code differs from it."""
    head = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    return head + ("+" if changed else "")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write JSON lines as gzip; the same rows make the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
            file.write(b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def read_lines(path: Path) -> list[Any]:
    """The rows that :func:`write_lines` wrote."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def git(*arguments: str) -> str:
    """What git says of this checkout; empty where it cannot."""
    command: Sequence[str] = ("git", "-C", str(ROOT), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _installed_versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def processor_name() -> str:
    """What the machine calls its processor."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
