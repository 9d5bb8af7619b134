"""Whether what a store holds is what was sealed: every file of every stage is read and digested again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from components.errors import StoreError, to_one_line
from components.files.canonical_json import verify_digest
from components.files.json_text import parse_json
from components.storage.places.locks import LockWait
from components.storage.runs.report_files import DIGESTS
from components.storage.runs.run_records import METRICS, RECORD, check_record
from components.storage.shards.shard import DamagedError, ShardEntry, check_shard, decode_shard, shard_name
from components.storage.stages.seal import SEAL, Seal, read_seal
from components.storage.store import Store, check_run_name
from components.storage.store_files import StoreFiles
from components.storage.upkeep.inventory import AUDIO
from components.storage.upkeep.references import KEY, RUNS, STAGES, References, list_keys


class Fault(NamedTuple):
    """Something that is not as it was stored.

    Attributes:
        what: the stage or run.
        detail: what was expected, and what is there.
        key: of the stage that is damaged; None for a run.
        runs: the runs that refer to it.
    """

    what: str
    detail: str
    key: str | None = None
    runs: tuple[str, ...] = ()


class Verification(NamedTuple):
    """How many stages and runs were verified, how many stages are unfinished, and the faults."""

    stages: int
    runs: int
    unfinished: int
    faults: tuple[Fault, ...]


def verify_store(
    store: Store, run: str | None = None, on_stage: Callable[[int, int], object] = lambda done, total: None
) -> Verification:
    """Verify all runs and stages of a store, or a run with all that it refers to.

    Args:
        store: the store.
        run: the only run to verify.
        on_stage: called after each stage with the number done and that of all.

    Raises:
        StoreError: there is no such run.
        ConfigError: the name cannot be a run's.
    """
    files, names = store.backend.files, store.backend.list_run_names()
    if run is not None and check_run_name(run) not in names:
        raise store.missing_run_error(run)
    names = names if run is None else [run]
    keys = list_keys(files)
    references = References(files, keys)
    faults, readers = list[Fault](), dict[str, list[str]]()
    for name in names:
        faults += _verify_run(files, name)
        for key in _closure_of(references, name):
            readers.setdefault(key, []).append(name)
    faults += [] if run is not None else list(_verify_audio(files))
    checked, unfinished = keys if run is None else sorted(readers), 0
    for number, key in enumerate(checked, 1):
        unfinished += files.read(f"{STAGES}/{key}/{SEAL}") is None
        faults += [fault._replace(runs=tuple(readers.get(key, ()))) for fault in _verify_stage(files, key)]
        on_stage(number, len(checked))
    return Verification(len(checked) - unfinished, len(names), unfinished, tuple(faults))


def set_stage_aside(store: Store, key: str) -> None:
    """Move a damaged stage out of the way, so that the next run that needs it computes it again.

    Those of its shards that are damaged are removed.

    Raises:
        StoreError: a process is at work on it.
    """
    what = f"stage {key[:12]}…"
    with store.backend.lock(key, what, LockWait(what, 0.3, "repair it later")):
        for shard in _read_shards(store.backend.files, key):
            name = shard_name(shard.key)
            try:
                decode_shard(store.backend.files.read(name) or b"", name, shard.key)
            except DamagedError:
                store.backend.files.remove(name)
        store.backend.set_aside(key)


def _read_shards(files: StoreFiles, key: str) -> tuple[ShardEntry, ...]:
    """Return the shards of a stage; none of one whose seal is damaged or gone."""
    try:
        return read_seal(files.read(f"{STAGES}/{key}/{SEAL}") or b"", SEAL, key).shards
    except DamagedError:
        return ()


def verify_stage_files(files: StoreFiles, key: str) -> Seal | None:
    """Read every file and shard of a stage again and compare it with the seal.

    Args:
        files: where.
        key: of the stage.

    Returns:
        The seal; None of a stage that is not finished.

    Raises:
        DamagedError: something differs.
    """
    folder = f"{STAGES}/{key}"
    content = files.read(f"{folder}/{SEAL}")
    if content is None:
        return None
    seal = read_seal(content, f"{folder}/{SEAL}", key)
    for name, expected in seal.files.items():
        actual = files.digest(f"{folder}/{name}")
        if actual is None:
            raise DamagedError(f"{folder}/{name}: expected a file, found none")
        if actual != expected:
            raise DamagedError(f"{folder}/{name}: expected sha256 {expected[:12]}…, found {actual[:12]}…")
    for shard in seal.shards:
        check_shard(shard, files.read(shard_name(shard.key)), shard_name(shard.key))
    return seal


def _closure_of(references: References, name: str) -> Iterable[str]:
    try:
        return references.close(references.of_run(name))
    except StoreError:
        return ()


def _verify_stage(files: StoreFiles, key: str) -> Iterator[Fault]:
    try:
        verify_stage_files(files, key)
    except (DamagedError, OSError) as error:
        yield Fault(f"stage {key[:12]}…", str(error), key)


def _verify_run(files: StoreFiles, name: str) -> Iterator[Fault]:
    what, content = f"run {name}", files.read(f"{RUNS}/{name}/{RECORD}")
    if content is None:
        return  # it has not finished
    try:
        values = check_record(content, f"{RUNS}/{name}/{RECORD}")
    except StoreError as error:
        yield Fault(what, str(error))
        return
    metrics = files.read(f"{RUNS}/{name}/{METRICS}")
    if metrics is not None and _is_other(metrics, values.get("metrics")):
        yield Fault(what, f"{METRICS}: expected the metrics of {RECORD}, found others")
    yield from (Fault(what, fault) for fault in find_report_faults(files, name))
    try:
        refs = [(ref["stage"], str(ref["key"]), str(ref["sha256"])) for ref in values.get("stages", [])]
    except (KeyError, TypeError):
        yield Fault(what, f"{RECORD}: expected the stages of the run, found something else")
        return
    for stage, key, sha256 in refs:
        seal = files.read(f"{STAGES}/{key}/{SEAL}") if KEY.fullmatch(key) else None
        if seal is None:
            yield Fault(what, f"stage {stage} ({key[:12]}…): expected it, found none")
        elif sha256 not in seal.decode(errors="replace"):
            yield Fault(what, f"stage {stage} ({key[:12]}…) was computed anew since, with other outputs")


def _is_other(metrics: bytes, expected: object) -> bool:
    try:
        return bool(parse_json(metrics) != expected)
    except ValueError:
        return True


def _verify_audio(files: StoreFiles) -> Iterator[Fault]:
    for name in files.list_facts(AUDIO):
        if files.digest(name) != name.rpartition("/")[2].partition(".")[0]:
            yield Fault(name, "expected the recording that its name is the sha256 of, found another")


def find_report_faults(files: StoreFiles, run: str) -> Iterator[str]:
    """Yield what of a run's report is not as it was written; nothing of a run without one."""
    folder = f"runs/{run}"
    content = files.read(f"{folder}/{DIGESTS}")
    if content is None:
        return
    try:
        written = {str(name): digest for name, digest in dict(verify_digest(content)["files"]).items()}
    except (ValueError, KeyError, TypeError) as error:
        yield f"{DIGESTS}: expected digests of files, found: {to_one_line(error)}; antiphon report {run}"
        return
    for name, expected in written.items():
        actual = files.digest(f"{folder}/{name}")
        if actual != expected:
            found = "none" if actual is None else "another"
            yield f"{name}: expected the file that was written, found {found}; antiphon report {run}"
