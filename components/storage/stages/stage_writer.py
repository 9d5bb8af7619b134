"""Writing one stage shard by shard: resumable after the last complete shard, sealed by DONE.json.

A shard is a fixed slice of the stage's inputs, so that the batches of a resumed stage, and therefore its
bytes, are those of an uninterrupted one. After each shard ``journal.jsonl`` records how long the two files of
records are and a digest of what was appended; on opening, whatever does not match the journal is cut off.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

from components.compute.profiling import add_usage, largest_card_memory
from components.files.canonical_json import digest_of
from components.files.digests import file_digest
from components.files.files import (
    append_durably,
    disk_full_as_store_error,
    read_lines,
    sync_file,
    sync_folder,
    utc_now,
    write_bytes,
)
from components.run_record import CardMemory, StageRef, Usage
from components.storage.places.local_backend import LocalBackend
from components.storage.places.locks import LockWait, lock_seconds
from components.storage.stages.record_files import (
    ERRORS,
    JOURNAL,
    OUTPUTS,
    check_partition,
    encode_entry,
    hash_parts,
    join_lines,
    read_journal,
)
from components.storage.stages.seal import PLAN, SEAL, Seal, stage_ref
from components.storage.stages.stage_plan import StagePlan, encode_plan
from components.storage.store import Store

WINDOWS = "windows"
"""Folder of an unfinished stage for the windows of shards at work (window_journal.py)."""


class StageWriter:
    """The only writer of a stage. ``ref`` is set once the stage is finished, or was found finished."""

    def __init__(
        self, plan: StagePlan, folder: Path, backend: LocalBackend, ref: StageRef | None = None
    ) -> None:
        self.plan = plan
        self.path = folder
        self._backend = backend
        self.ref = ref
        self.seconds = 0.0
        self.peak_memory_bytes = 0
        self.batch_size = 0
        self.usage: Usage = {}
        self.card_memory: CardMemory = {}
        self.read_digests: dict[str, str] = {}
        self._entries: list[dict[str, Any]] = []

    @property
    def shards_done(self) -> int:
        """Complete shards of this attempt and earlier ones."""
        return len(self._entries)

    @property
    def _sizes(self) -> list[int]:
        return list(self._entries[-1]["sizes"]) if self._entries else [0, 0]

    def inputs_digest_of(self, shard: int) -> str:
        """Return the digest of what a complete shard was computed from."""
        return str(self._entries[shard].get("inputs", ""))

    def discard_from(self, shard: int) -> None:
        """Discard the complete shards from this number on: what they were computed from has changed."""
        self._entries = self._entries[:shard]
        self.seconds = sum(entry["seconds"] for entry in self._entries)
        self._truncate()

    # Shards of records

    def resume(self) -> None:
        """Keep the complete shards of earlier attempts and cut off what follows them."""
        files = [self.path / OUTPUTS, self.path / ERRORS]
        for file in files:
            file.touch()
        sent = self._backend.read_shards(self.plan.key)
        if sent is not None:
            self._restore(sent)
        with files[0].open("rb") as outputs, files[1].open("rb") as errors:
            path = self.path / JOURNAL
            for _, entry in read_journal(path.read_bytes() if path.exists() else b""):
                grown = [new - old for new, old in zip(entry["sizes"], self._sizes, strict=True)]
                if entry["shard"] != self.shards_done or min(grown) < 0:
                    break
                if hash_parts(outputs.read(grown[0]), errors.read(grown[1])) != entry["sha256"]:
                    break
                self.seconds += entry["seconds"]
                self.peak_memory_bytes = max(self.peak_memory_bytes, entry["peak_memory_bytes"])
                self._entries.append(entry)
        self._truncate()

    def _truncate(self) -> None:
        """Cut off what follows the complete shards."""
        for name, size in zip((OUTPUTS, ERRORS), self._sizes, strict=True):
            os.truncate(self.path / name, size)
        path = self.path / JOURNAL
        if path.exists():
            os.truncate(path, sum(len(encode_entry(entry)) for entry in self._entries))

    def _restore(self, shards: Iterable[bytes]) -> None:
        """Rebuild the three files from shards; a damaged shard is noticed when the files are read."""
        names = (OUTPUTS, ERRORS, JOURNAL)
        with ExitStack() as stack:
            outputs, errors, journal = (stack.enter_context((self.path / n).open("wb")) for n in names)
            for shard in shards:
                line, end, records = shard.partition(b"\n")
                _, entry = next(read_journal(line + end), (b"", None))
                if entry is None:
                    return
                good = entry["sizes"][0] - outputs.tell()
                outputs.write(records[:good])
                errors.write(records[good:])
                journal.write(line + end)

    def journal_of(self, inputs: str) -> Path:
        """Return the file in which the windows of a shard that is not finished are kept.

        Args:
            inputs: digest of what the shard is computed from.
        """
        return self.path / WINDOWS / f"{inputs}.jsonl"

    def append(
        self,
        outputs: Sequence[str],
        errors: Sequence[str],
        *,
        seconds: float,
        peak: int,
        inputs: str = "",
        noted: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one shard.

        Args:
            outputs: the JSON of its outputs, in input order.
            errors: the JSON of its quarantined records, in input order.
            seconds: wall time of computing it.
            peak: peak memory in bytes.
            inputs: digest of what it was computed from.
            noted: ``batch_size`` that memory allowed in the end, ``usage`` of served models, peaks of
                ``card_memory``, where there are such.

        Raises:
            StoreError: the disk is full; the shards before this one are kept.
        """
        parts = [join_lines(outputs), join_lines(errors)]
        with disk_full_as_store_error(f"stage {self.plan.stage}", self.path):
            for name, part in zip((OUTPUTS, ERRORS), parts, strict=True):
                append_durably(self.path / name, part)
            sizes = [size + len(part) for size, part in zip(self._sizes, parts, strict=True)]
            entry = {"shard": self.shards_done, "sizes": sizes, "sha256": hash_parts(*parts)}
            entry |= {"seconds": round(seconds, 6), "peak_memory_bytes": peak, "inputs": inputs}
            entry |= noted or {}
            line = encode_entry(entry)
            append_durably(self.path / JOURNAL, line)
        self._backend.save_shard(self.plan.key, self.shards_done, b"".join((line, *parts)))
        self.journal_of(inputs).unlink(missing_ok=True)
        self._entries.append(entry)
        self.seconds += seconds
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak)

    def _find_batch_size(self) -> int:
        """Return the smallest batch that memory allowed in any shard; 0 where it never ran out."""
        return min((n for e in self._entries if (n := e.get("batch_size"))), default=self.batch_size)

    def _add_usage(self) -> Usage:
        """Return what served models counted of all shards."""
        return reduce(add_usage, (entry.get("usage", {}) for entry in self._entries), self.usage)

    def _find_card_memory(self) -> CardMemory:
        """Return the largest peak of each card of all shards."""
        return largest_card_memory([self.card_memory, *(e.get("card_memory", {}) for e in self._entries)])

    def finish(self, ids: Iterable[str] | None, content: str | None = None) -> StageRef:
        """Check that every input has exactly one outcome, then seal the stage.

        Args:
            ids: the ids of all inputs, in the order in which they were given to the shards; None for a stage
                that lets only some of them go on.
            content: see :class:`~components.run_record.StageRef`.

        Raises:
            StoreError: an id is missing, doubled, out of order or was never given.
        """
        if ids is None:
            good, bad = (sum(1 for _ in read_lines(self.path / name)) for name in (OUTPUTS, ERRORS))
        else:
            good, bad = check_partition(self.plan.stage, ids, self.path)
        return self.seal([OUTPUTS, ERRORS], items=good + bad, quarantined=bad, content=content)

    # Any files: a trained model, a table

    def seal(
        self, files: Iterable[str], *, items: int, quarantined: int = 0, content: str | None = None
    ) -> StageRef:
        """Write DONE.json over ``files``, the last act of a stage.

        Args:
            files: names relative to the stage's folder.
            items: how many items they stand for.
            quarantined: how many of these could not be processed.
            content: see :class:`~components.run_record.StageRef`.

        Its ``seconds`` and ``peak_memory_bytes`` are what was added up on this object.
        """
        digests = {name: file_digest(self.path / name) for name in sorted(files)}
        for name in digests:
            sync_file(self.path / name)
        seal = Seal(
            stage=self.plan.stage,
            kind=self.plan.kind,
            key=self.plan.key,
            plan=hashlib.sha256(encode_plan(self.plan)).hexdigest(),
            files=digests,
            sha256=digest_of(digests),
            content=content,
            read=self.read_digests,
            items=items,
            quarantined=quarantined,
            seconds=round(self.seconds, 3),
            peak_memory_bytes=self.peak_memory_bytes,
            batch_size=self._find_batch_size(),
            usage=self._add_usage(),
            card_memory=self._find_card_memory(),
            finished=utc_now(),
        )
        self._backend.publish_stage(self.plan.key, digests, seal.encode())
        with disk_full_as_store_error(f"stage {self.plan.stage}", self.path):
            write_bytes(self.path / SEAL, seal.encode())
        shutil.rmtree(self.path / WINDOWS, ignore_errors=True)
        self.ref = stage_ref(seal, self.path, reused=False)
        return self.ref


@contextmanager
def open_stage(
    store: Store, plan: StagePlan, *, records: bool = True, read_digests: Mapping[str, str] | None = None
) -> Iterator[StageWriter]:
    """Open the stage of a plan: finished (``writer.ref`` is set), resumed, or new.

    Whatever goes wrong inside the ``with`` block leaves the stage resumable: only ``finish`` and ``seal``
    finish it.

    Args:
        store: where.
        plan: the stage's.
        records: whether the stage grows by ``append``; another one (a trained model) puts its files into
            ``writer.path``, keeps what an earlier attempt left there, and seals them.
        read_digests: digests of the stages that it reads, by role; a finished stage that was computed from
            others is stale and computed again.

    Raises:
        StoreError: another process still writes this stage after ``ANTIPHON_LOCK_SECONDS``; the message says
            which.
    """
    ref = store.find_stage(plan, read_digests)
    if ref is not None:
        yield StageWriter(plan, Path(ref.path), store.backend, ref)
        return
    folder = store.stage_folder(plan.key)
    what = f"stage {plan.stage} ({plan.key[:12]}…)"
    with store.backend.lock(plan.key, what, LockWait(what, lock_seconds())):
        store.mark_layout()
        # Whoever held the lock a moment ago may have finished it.
        ref = store.find_stage(plan, read_digests)
        if ref is None:
            store.backend.set_aside(plan.key)
            with disk_full_as_store_error(what, folder):
                folder.mkdir(parents=True, exist_ok=True)
                write_bytes(folder / PLAN, encode_plan(plan))
                sync_folder(store.stages)
        writer = StageWriter(plan, folder, store.backend, ref)
        writer.read_digests = dict(read_digests or {})
        if ref is None and records:
            with disk_full_as_store_error(what, folder):
                writer.resume()
        yield writer
