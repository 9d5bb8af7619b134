"""Where a measurement comes from: command, settings, weights, code, libraries, processor and day."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.common.paths import ROOT, SHARED

LIBRARIES = (
    *("torch", "transformers", "openai-whisper", "faster-whisper", "ctranslate2"),
    *("sacrebleu", "jiwer", "prefect", "numpy"),
)


class Manifest(BaseModel):
    """What is needed to measure the same again, and to judge how far a measurement may be compared.

    Attributes:
        command: As it is typed in the repository's root.
        date: Day in UTC, or that of the commit that a page was transcribed from.
        code: Commit of the repository, with ``+`` where files differed from it.
        machine: Processor, cores and load at the start.
        libraries: Versions by name of the distribution.
        models: SHA-256 of weights and configuration by reference.
        settings: Every option of the command, defaults included; seeds are among them.
        transcribed_from: Where the numbers were read off, if no measurement was stored; empty otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    date: str
    code: str
    machine: str = ""
    libraries: dict[str, str] = {}
    models: dict[str, str] = {}
    settings: dict[str, Any] = {}
    transcribed_from: str = ""


def write_manifest(command: str, settings: Mapping[str, Any], models: Iterable[str] = ()) -> Manifest:
    """The manifest of what begins to be measured now.

    Args:
        command: As it was typed.
        settings: Options by name.
        models: References of the models that are run.
    """
    return Manifest(
        command=command,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        code=code_version(),
        machine=describe_machine(),
        libraries=library_versions(),
        models=model_digests(models),
        settings={name: portable(value) for name, value in settings.items()},
    )


def model_digests(references: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the weights and configuration of each model."""
    from components.models import resolve

    return {reference: resolve(reference).sha256 for reference in references}


def portable(value: Any) -> Any:
    """A setting without the folders of this machine: paths begin at the repository or the shared folder."""
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): portable(item) for key, item in value.items()}
    if not isinstance(value, str | Path):
        return value
    path = Path(value)
    if not path.is_absolute():
        return str(value)
    for root, name in ((SHARED, "$ANTIPHON_SHARED"), (ROOT, "."), (Path.home(), "~")):
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    return path.name


def code_version() -> str:
    """The commit of this code, with ``+`` if files differ from it; the version outside of a checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return version("antiphon")
    commit, changes = (
        subprocess.run([git, "-C", str(ROOT), *command], capture_output=True, text=True, check=True).stdout
        for command in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "-uno"))
    )
    return commit.strip() + ("+" if changes.strip() else "")


@cache
def source_digest() -> str:
    """SHA-256 over the sources of ``components``: outputs that are stored for one code are not another's."""
    digest = sha256()
    for path in sorted((ROOT / "components").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Version by distribution, of those that are installed; Python's first."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def describe_machine() -> str:
    """Processor, cores and load, as ``AMD EPYC, 2 cores, load 0.1``."""
    return f"{processor_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"


def processor_name() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
