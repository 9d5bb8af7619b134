"""Archives of runs: a run, the stages that it refers to, and what makes it complete, in a folder or a tar.

The report of a run, its plots and its texts are left out: an import makes them again of what it has verified.
An archive is laid out as a store is (``runs/``, ``stages/``, ``audio/``, ``layout.json``), so that a folder
can be used as one. ``archive.json``, its first file, names every other with its size and digest.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from gzip import GzipFile
from io import BytesIO
from pathlib import Path
from typing import IO, Literal

from pydantic import Field

from components.errors import ConfigError, DataError
from components.files.canonical_json import add_digest
from components.files.digests import file_digest, sha256_of
from components.files.files import encode_json, open_atomically, staging_folder, sync_file
from components.files.locations.location import file_name_of
from components.files.locations.opening import open_local
from components.records import Record, Sha256, Utterance
from components.run_record import StageRef
from components.storage.layout import LAYOUT, VERSION
from components.storage.runs.baseline_run import BASELINE
from components.storage.runs.report_files import DIGESTS, REPORT
from components.storage.runs.run_records import CLAIMED
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import find_audio, read_utterances
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from components.storage.upkeep.references import RUNS, STAGES, References, list_keys

MANIFEST = "archive.json"
MAX_JSON = 32 << 20
"""Bytes of ``archive.json``, and of each other file of an archive that is parsed whole."""
RUN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(json|yaml|tsv)")
"""Names of a run's records and tables, in its folder itself."""
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


class ArchivedFile(Record):
    """Size and digest of a file of an archive."""

    bytes: int = Field(ge=0)
    sha256: Sha256


class Manifest(Record):
    """``archive.json``: the run, further runs that a comparison refers to, and every file by name."""

    format: Literal[1] = 1
    run: str
    runs: tuple[str, ...]
    reports: tuple[str, ...] = Field(default=(), description="the runs that have a report")
    files: dict[str, ArchivedFile]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files.values())

    def encode(self) -> bytes:
        """Return the bytes of ``archive.json``."""
        return encode_json(add_digest(self.model_dump(mode="json")))


Content = bytes | Path


def export_run(store: Store, name: str, out: Path, *, with_audio: bool = False) -> Manifest:
    """Write a run and all that it refers to into a new folder or tar file.

    Args:
        store: where it is.
        name: of the run.
        out: a folder that does not exist or is empty, or a file ``.tar``, ``.tar.gz`` or ``.tgz``.
        with_audio: whether the recordings of its data set go along.

    Raises:
        ConfigError: there is something at ``out`` already.
        StoreError: there is no such run, it is at work, or a stage is damaged.
        DataError: a recording is gone or was changed.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"{out}: expected a new file or folder, found one; name another, or remove it")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"{out}: expected a folder to write into, found no {out.absolute().parent}")
    contents = _gather_contents(store, name, with_audio=with_audio)
    runs = tuple(sorted({file.split("/")[1] for file in contents if file.startswith(f"{RUNS}/")}))
    reports = tuple(run for run in runs if store.backend.files.read(f"{RUNS}/{run}/{REPORT}") is not None)
    files = {file: _describe(content) for file, content in sorted(contents.items())}
    manifest = Manifest(run=name, runs=runs, reports=reports, files=files)
    contents = {MANIFEST: manifest.encode(), **{file: contents[file] for file in files}}
    if len(manifest.encode()) > MAX_JSON:
        raise ConfigError(
            f"{out}: expected fewer files than the {len(files)} of {name}; leave --with-audio out"
        )
    if out.name.endswith(TAR_SUFFIXES):
        _write_tar(contents, out)
    else:
        _write_folder(contents, out)
    return manifest


def _gather_contents(store: Store, name: str, *, with_audio: bool) -> dict[str, Content]:
    """Return the files of the archive: name -> bytes, or the local file."""
    contents: dict[str, Content] = {LAYOUT: encode_json({"version": VERSION})}
    references = References(store.backend.files, list_keys(store.backend.files))
    pending, done = [name], set[str]()
    while pending:
        done.add(run_name := pending.pop())
        run = store.load_run(run_name)  # verifies its stages, and notes that they are in use
        for file in store.backend.files.list_facts(f"{RUNS}/{run_name}"):
            if not is_carried(file.removeprefix(f"{RUNS}/{run_name}/")):
                continue
            if (content := store.backend.files.read(file)) is not None:
                contents[file] = content
        for key in references.close(references.of_run(run_name)):
            contents |= _gather_stage(store, key)
        if with_audio:
            contents |= _gather_audio(run.stages)
        pending += set(run.systems.values()) - done
    return contents


def is_carried(name: str) -> bool:
    """Return whether a file of a run's folder goes along, as records do and the report does not."""
    return RUN_FILE.fullmatch(name) is not None and name not in {BASELINE, CLAIMED, DIGESTS}


def _gather_stage(store: Store, key: str) -> dict[str, Content]:
    """Return the sealed files of a stage; nothing of one that is not finished."""
    seal, folder = store.backend.download(key), store.stage_folder(key)
    if seal is None:
        return {}
    contents: dict[str, Content] = {f"{STAGES}/{key}/{name}": folder / name for name in (*seal.files, SEAL)}
    return contents | {shard_name(shard.key): store.root / shard_name(shard.key) for shard in seal.shards}


def _gather_audio(stages: tuple[StageRef, ...]) -> dict[str, Content]:
    """Return the recordings that lie outside of the store, by their digest."""
    recordings: dict[str, Content] = {}
    for ref in stages:
        if ref.content is not None:  # utterances
            recordings |= dict(filter(None, map(_recording_of, read_utterances(ref))))
    return recordings


def _recording_of(utterance: Utterance) -> tuple[str, Content] | None:
    if utterance.audio is None:
        return None
    sha256 = utterance.audio.sha256
    path = open_local(utterance.audio.path)
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise DataError(
            f"{path}: expected the recording of {utterance.id}, found: {error.strerror}"
        ) from error
    if actual != sha256:
        raise DataError(f"{path}: expected sha256 {sha256[:12]}… of {utterance.id}, found {actual[:12]}…")
    suffix = Path(file_name_of(utterance.audio.path)).suffix
    return find_audio(Path(), sha256, suffix).as_posix(), path


def _describe(content: Content) -> ArchivedFile:
    if isinstance(content, bytes):
        return ArchivedFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return ArchivedFile(bytes=content.stat().st_size, sha256=file_digest(content))


def _write_folder(contents: Mapping[str, Content], out: Path) -> None:
    with staging_folder(out.absolute()) as staging:
        for name, content in contents.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with _open(content) as (source, _), path.open("wb") as file:
                shutil.copyfileobj(source, file)
            sync_file(path)
        staging.chmod(0o755)  # a temporary folder is its maker's alone
        staging.rename(out)


def _write_tar(contents: Mapping[str, Content], out: Path) -> None:
    """Write a tar, compressed unless its name ends in .tar, whose bytes depend on the contents alone."""
    with ExitStack() as stack:
        target: IO[bytes] | GzipFile = stack.enter_context(open_atomically(out.absolute()))
        if out.suffix != ".tar":
            target = stack.enter_context(GzipFile("", "wb", fileobj=target, mtime=0))  # no time in its header
        tar = stack.enter_context(tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT))
        for name, content in contents.items():
            with _open(content) as (source, size):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = size, 0o644
                tar.addfile(entry, source)


@contextmanager
def _open(content: Content) -> Iterator[tuple[IO[bytes], int]]:
    if isinstance(content, bytes):
        yield BytesIO(content), len(content)
        return
    with content.open("rb") as file:
        yield file, content.stat().st_size
