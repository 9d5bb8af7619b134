"""Stages and shards of the store, by key."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from components.errors import StoreError
from components.files.files import disk_full_as_store_error
from components.run_record import StageRef
from components.storage.layout import check_layout, mark_layout
from components.storage.places.backends import open_backend
from components.storage.shards.shard import DamagedError, ShardHeader, decode_shard, shard_name, split_lines
from components.storage.stages.seal import Seal, stage_ref
from components.storage.stages.stage_plan import StagePlan

log = logging.getLogger("antiphon.store")

WINDOWS = "windows"
"""Folder for the windows of recordings of shards at work (stages/window_journal.py)."""


class StageStore:
    """The half of a :class:`.Store` that is addressed by content: finished stages, and shards."""

    def __init__(self, url: str | None = None) -> None:
        self.backend = open_backend(url)
        check_layout(self.backend.url, self.backend.files)
        self.root = self.backend.root
        self.stages = self.root / "stages"
        self.windows = self.root / WINDOWS

    def mark_layout(self) -> None:
        """Write the version of the layout into the store, which is about to be written to."""
        try:
            with disk_full_as_store_error("layout.json", self.root):
                mark_layout(self.backend.url, self.backend.files)
        except FileNotFoundError as error:  # of a file system that takes no folders, as /proc
            raise StoreError(
                f"store: expected a folder that can be made, found that {self.root} cannot "
                f"({error.strerror}); name another by --store or ANTIPHON_STORE"
            ) from error

    # Stages

    def stage_folder(self, key: str) -> Path:
        """Return the folder of the stage with this key, whether or not it exists."""
        return self.stages / key

    def find_stage(self, plan: StagePlan, read_digests: Mapping[str, str] | None = None) -> StageRef | None:
        """Return the finished stage of a plan with its files and shards verified, or None.

        A finished stage that does not match its seal is logged as a warning and not returned: whoever opens
        it for writing computes again what is damaged.

        Args:
            plan: the stage's.
            read_digests: digests of the stages that it reads now, by role; a stage that was computed from
                others is stale and not returned.
        """
        try:
            seal = self.backend.download(plan.key)
        except DamagedError as error:
            log.warning("stage %s is damaged and will be computed again: %s", plan.stage, error)
            return None
        if seal is None:
            return None
        changed = [role for role, sha in (read_digests or {}).items() if seal.read.get(role, sha) != sha]
        if changed:
            log.warning(
                "stage %s is stale and will be computed again: what it reads as %s has changed",
                *(plan.stage, ", ".join(changed)),
            )
            return None
        ref = stage_ref(seal, self.stage_folder(plan.key), reused=True)
        return ref.model_copy(update={"stage": plan.stage, "kind": plan.kind})

    def load_plan(self, key: str) -> StagePlan:
        """Return the plan of a finished stage, verified.

        Raises:
            StoreError: there is no such stage, or it is damaged.
        """
        return StagePlan.model_validate(self.load_seal(key).plan)

    def load_seal(self, key: str) -> Seal:
        """Return the seal of a finished stage, all that it names verified.

        Raises:
            StoreError: there is no such stage, or it is damaged.
        """
        try:
            seal = self.backend.download(key)
        except DamagedError as error:
            raise StoreError(
                f"stage {key[:12]}… is damaged: {error}; repeat the run that computed it"
            ) from error
        if seal is None:
            raise StoreError(f"expected a finished stage {key[:12]}… in {self.backend.url}, found none")
        return seal

    def localize(self, ref: StageRef) -> StageRef:
        """Return a finished stage, which another machine may have named, as it can be read here.

        Raises:
            StoreError: it is gone, damaged, or no longer what the reference says.
        """
        return self.backend.localize(ref)

    # Shards

    def find_shard(self, key: str, read: Mapping[str, tuple[str, str]] | None = None) -> ShardHeader | None:
        """Return the header of a shard that is stored and whole, or None.

        Args:
            key: its address.
            read: what it would be computed from now; one that was made from others is stale and not returned.
        """
        content = self.backend.read_shard(key)
        if content is None:
            return None
        try:
            header, _ = decode_shard(content, shard_name(key), key)
        except DamagedError as error:
            log.warning("a shard is damaged and will be computed again: %s", error)
            return None
        if not header.is_made_from(read):
            log.warning("a shard of %s is stale and will be computed again", header.stage)
            return None
        return header

    def find_shards(self, keys: Iterable[str]) -> dict[str, ShardHeader]:
        """Return the headers of those of some shards that are stored and whole, all of them at once."""
        return self.backend.read_headers(keys)

    def read_lines(self, key: str) -> Iterator[tuple[bool, bytes]]:
        """Yield the lines of a shard, verified, and before each whether its input could be processed.

        Raises:
            DamagedError: it is gone, or not what was sealed.
        """
        content = self.backend.read_shard(key)
        if content is None:
            raise DamagedError(f"{self.backend.url}/{shard_name(key)}: expected a shard, found none")
        return split_lines(decode_shard(content, shard_name(key), key)[1])

    def add_shard(self, header: ShardHeader, content: bytes) -> ShardHeader:
        """Store a shard; where another process has stored it meanwhile, that one counts.

        Returns:
            The header of the shard that counts.
        """
        self.mark_layout()
        if self.backend.create_shard(header.key, content):
            return header
        present = self.find_shard(header.key, header.read)
        if present is None:  # it is damaged, or made from what has changed since
            self.backend.replace_shard(header.key, content)
        return present or header
