"""Fetches pinned files by apt and git, as they are configured here, and checks every one of them."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from benchmarks.data.pins import DataSet, GitFile, Package
from components.errors import DataError
from components.files.files import write_atomically

GIT = "https://github.com"
"""Where repositories are cloned from; another base (a mirror, file:///...) by --git."""


def fetch_packages(packages: Sequence[Package], folder: Path) -> list[Path]:
    """The .deb files of ``packages`` in ``folder``; what is there and right is not fetched again.

    Raises:
        DataError: apt does not have a pinned version, or a file is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch_package(package, folder) for package in packages]


def _fetch_package(package: Package, folder: Path) -> Path:
    for attempt in range(2):
        for file in sorted(folder.glob(f"{package.name}_*.deb")):
            if _sha256(file.read_bytes()) in package.sha256.values():
                return file
        if not attempt:
            tried = [_apt_download(package.name, version, folder) for version in package.sha256]
            if not any(said == "" for said in tried):
                break
    versions = ", ".join(package.sha256)
    raise DataError(
        f"{package.name}: expected version {versions} with its pinned SHA-256, found none; run apt-get "
        f"update, or put the .deb into {folder}"
    )


def _apt_download(name: str, version: str, folder: Path) -> str:
    """What apt says against it; empty when the file is there."""
    if shutil.which("apt-get") is None:
        return "no apt-get"
    command = ["apt-get", "download", "-q", f"{name}={version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip() or "failed"


def unpack(package: Path, wanted: Callable[[PurePosixPath], Path | None]) -> None:
    """Write the members of a .deb that ``wanted`` names a place for. Links are left out."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            place = wanted(PurePosixPath(member.name.removeprefix("./"))) if member.isreg() else None
            content = archive.extractfile(member) if place else None
            if place and content:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())
    if process.returncode:
        raise DataError(f"{package}: expected a Debian package, dpkg-deb ended with {process.returncode}")


def fetch_git_files(data: DataSet, folder: Path, work: Path, base: str = GIT) -> None:
    """Write a set's files of Git repositories to ``folder``; only the blobs that are needed travel."""
    files = [source for source in data.sources if isinstance(source, GitFile)]
    missing = [file for file in files if not _is_right(folder / file.name, file)]
    for repository in dict.fromkeys(file.repository for file in missing):
        clone = _clone(repository, work, base)
        for file in missing:
            if file.repository == repository:
                content = _read_blob(clone, file)
                folder.mkdir(parents=True, exist_ok=True)  # an empty one would hide the set elsewhere
                write_atomically(folder / file.name, content)


def _is_right(path: Path, file: GitFile) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == file.sha256


def _clone(repository: str, work: Path, base: str) -> Path:
    name, _, commit = repository.partition("@")
    clone = work / name.replace("/", "+")
    clone.mkdir(parents=True, exist_ok=True)
    for arguments in (
        ["init", "-q", "--bare"],
        ["config", "remote.origin.url", f"{base.rstrip('/')}/{name}"],
        ["config", "remote.origin.promisor", "true"],
        ["config", "remote.origin.partialclonefilter", "blob:none"],
        ["fetch", "-q", "--depth", "1", "--filter=blob:none", "origin", commit],
    ):
        done = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise DataError(
                f"{repository}: expected to fetch it from {base}, git said: {done.stderr.strip()[-300:]}; "
                f"name another place with --git, or put the files into the data folder"
            )
    return clone


def _read_blob(clone: Path, file: GitFile) -> bytes:
    commit = file.repository.partition("@")[2]
    done = subprocess.run(["git", "-C", str(clone), "show", f"{commit}:{file.path}"], capture_output=True)
    content = gzip.decompress(done.stdout) if file.path.endswith(".gz") else done.stdout
    if _sha256(content) != file.sha256:
        raise DataError(f"{file.repository}:{file.path}: expected SHA-256 {file.sha256}, found another file")
    return content


def packages_of(data: DataSet) -> list[Package]:
    """The Debian packages of a set."""
    return [source for source in data.sources if isinstance(source, Package)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
