"""Taking a run from an archive into a store: its stages are verified, and those that are there are kept."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from components.errors import ConfigError, StoreError
from components.files.canonical_json import add_digest
from components.files.files import encode_json, sync_folder, write_bytes
from components.storage.places.locks import LockWait, lock_seconds
from components.storage.runs.run_records import FAILED, RECORD, check_record, read_record
from components.storage.shards.shard import DamagedError, ShardEntry, decode_shard, shard_name
from components.storage.stages.seal import SEAL, Seal
from components.storage.store import Store, check_run_name
from components.storage.upkeep.archive import is_carried
from components.storage.upkeep.archive_reader import unpack
from components.storage.upkeep.inventory import AUDIO, IMPORTS
from components.storage.upkeep.references import RUNS, STAGES
from components.storage.upkeep.verification import verify_stage_files


class Imported(NamedTuple):
    """What an import brought.

    Attributes:
        run: its name here.
        new: stages that are new.
        present: stages that were here.
        bytes: of all that was verified.
        was_here: whether the run was here, so that nothing was done.
        reports: the runs that had a report, by their names here; it is to be made again.
    """

    run: str
    new: int
    present: int
    bytes: int
    was_here: bool = False
    reports: tuple[str, ...] = ()


def import_run(store: Store, source: Path, name: str | None = None) -> Imported:
    """Take a run from an archive.

    Args:
        store: where it goes.
        source: folder or tar.
        name: another name for it.

    Raises:
        StoreError: the archive is damaged or no archive; a stage is here with other outputs.
        ConfigError: there is another run of that name.
    """
    if not source.exists():
        raise ConfigError(f"{source}: expected an archive of a run, found no such file or folder")
    with _staging(store) as staging:
        manifest = unpack(source, staging)
        archive = Store(str(staging))
        seals = {key: _verify_stage(archive, key) for key in archive.backend.files.list_folders(STAGES)}
        names = {run: run for run in manifest.runs} | {manifest.run: check_run_name(name or manifest.run)}
        for run in manifest.runs:
            _verify_run(archive, run, seals)
        here = {run for run, new in names.items() if _is_here(store, archive, run, new)}
        if manifest.run in here:
            return Imported(names[manifest.run], 0, len(seals), 0, was_here=True)
        new = 0
        with store.claim_run("import", names[manifest.run]):
            for key, seal in seals.items():
                new += _place_stage(store, archive, key, seal)
            _place_audio(store, staging)
            for run in sorted(set(manifest.runs) - here - {manifest.run}):
                with store.lock_run(run, "import it later"):
                    _place_run(store, archive, run, run)
            _place_run(store, archive, manifest.run, names[manifest.run])
            store.backend.uses.clear_run(names[manifest.run])
    reports = tuple(names[run] for run in manifest.runs if run in manifest.reports and run not in here)
    return Imported(names[manifest.run], new, len(seals) - new, manifest.total_bytes, reports=reports)


@contextmanager
def _staging(store: Store) -> Iterator[Path]:
    """Make a folder inside the store, or its mirror, that no prune removes while this process lives."""
    name = f"import-{secrets.token_hex(4)}"
    folder = store.root / IMPORTS / name
    with store.backend.hold_local_lock(name, "the import"):
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _verify_stage(archive: Store, key: str) -> Seal:
    seal = verify_stage_files(archive.backend.files, key)
    if seal is None:
        raise StoreError(f"stages/{key}: expected a finished stage, found one without {SEAL}")
    sealed = {f"{STAGES}/{key}/{name}" for name in (*seal.files, SEAL)}
    if extra := sorted(archive.backend.files.list_facts(f"{STAGES}/{key}").keys() - sealed):
        raise StoreError(f"{extra[0]}: expected the files that {SEAL} names, found another")
    return seal


def _verify_run(archive: Store, name: str, seals: dict[str, Seal]) -> None:
    """Check the records of a run, and that its stages came along as it states them."""
    run = read_record(archive.run_folder(name), archive.stages)
    failed = f"{RUNS}/{name}/{FAILED}"
    if (content := archive.backend.files.read(failed)) is not None:
        check_record(content, failed)
    for ref in run.stages:
        if ref.key not in seals or seals[ref.key].sha256 != ref.sha256:
            raise StoreError(
                f"run {name}: expected stage {ref.stage} as its record states it, found none or another"
            )


def _is_here(store: Store, archive: Store, run: str, name: str) -> bool:
    """Return whether this very run is here already.

    Raises:
        ConfigError: another run of that name is.
    """
    present = store.backend.files.read(f"{RUNS}/{name}/{RECORD}")
    if present is None:
        return False
    content = archive.backend.files.read(f"{RUNS}/{run}/{RECORD}") or b""
    if _without_name(present) == _without_name(content):
        return True
    raise ConfigError(
        f"run {name}: expected a name that no run has here, found another run of it; import it with --name "
        "(a comparison's systems keep their names: use another store)"
    )


def _without_name(content: bytes) -> dict[str, object]:
    return check_record(content, RECORD) | {"name": ""}


def _place_stage(store: Store, archive: Store, key: str, seal: Seal) -> bool:
    """Put a verified stage into the store; return False if it is there.

    Raises:
        StoreError: it is there with other outputs.
    """
    backend, what = store.backend, f"stage {seal.stage} ({key[:12]}…)"
    with backend.lock(key, what, LockWait(what, lock_seconds())):
        try:
            present = backend.download(key)
        except DamagedError:
            backend.set_aside(key)
            present = None
        if present is not None and present.sha256 != seal.sha256:
            raise StoreError(
                f"{what}: expected the outputs of the archive, found others in {backend.url}; import the run "
                "into another store"
            )
        if present is not None:
            return False
        if any(backend.files.list_facts(f"{STAGES}/{key}")):  # what an interrupted run left
            backend.files.discard(f"{STAGES}/{key}")
        folder, source = store.stage_folder(key), archive.stage_folder(key)
        content = (source / SEAL).read_bytes()
        (source / SEAL).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        source.rename(folder)
        sync_folder(folder.parent)
        for shard in seal.shards:
            _place_shard(store, archive, shard)
        backend.publish_stage(key, seal.files, content)
        write_bytes(folder / SEAL, content)
    return True


def _place_shard(store: Store, archive: Store, shard: ShardEntry) -> None:
    """Put a verified shard into the store, in place of one that is not as the archive's."""
    content = (archive.root / shard_name(shard.key)).read_bytes()
    header, _ = decode_shard(content, shard_name(shard.key), shard.key)
    store.backend.uses.note(header.fingerprint)  # before it is looked for
    present = store.find_shard(shard.key)
    if present is None and not store.backend.create_shard(shard.key, content):
        store.backend.replace_shard(shard.key, content)
    elif present is not None and present.sha256 != shard.sha256:
        raise StoreError(
            f"shard {shard.key[:12]}…: expected the outcomes of the archive, found others in "
            f"{store.backend.url}; import the run into another store"
        )


def _place_audio(store: Store, staging: Path) -> None:
    for path in sorted((staging / AUDIO).glob("*")):
        if store.backend.files.digest(f"{AUDIO}/{path.name}") != path.name.partition(".")[0]:
            store.backend.files.copy_in(path, f"{AUDIO}/{path.name}")


def _place_run(store: Store, archive: Store, run: str, name: str) -> None:
    """Write a run's files, its record last; which run is accepted is for this store to say."""
    source, folder = archive.run_folder(run), store.run_folder(name)
    for path in sorted(source.iterdir(), key=lambda path: (path.name == RECORD, path)):
        if is_carried(path.name):
            content = path.read_bytes()
            if path.name in {RECORD, FAILED} and run != name:
                content = encode_json(add_digest(check_record(content, path.name) | {"name": name}))
            write_bytes(folder / path.name, content)
    store.backend.upload_run(name)
