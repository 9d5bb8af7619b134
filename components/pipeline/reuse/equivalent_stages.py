"""What a store has that was computed with other numerics, by what it shares with those alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from components.errors import StoreError
from components.pipeline.reuse.equivalent_reuse import Found
from components.storage.stages.seal import SEAL, read_seal
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store


class EquivalentStages:
    """The finished stages of a store and their shards, by what they share with those alike."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stages: dict[str, Found] = {}
        self._shards: dict[str, Found] = {}
        for key in store.backend.files.list_folders("stages"):
            content = store.backend.files.read(f"stages/{key}/{SEAL}")
            try:
                seal = read_seal(content or b"", SEAL, key)
            except StoreError:
                continue
            found = Found(key, seal.plan.get("numerics") or {})
            if alike := seal.plan.get("alike"):
                self._stages.setdefault(alike, found)
            for shard in seal.shards:
                if shard.alike:
                    self._shards.setdefault(shard.alike, found._replace(key=shard.key))

    def choose_shards(self, keys: Sequence[str], alike: Sequence[str]) -> tuple[list[str], Counter[str]]:
        """Return the keys of shards to use: the exact ones, or what is alike and stored."""
        stored = self._store.backend.find_shards(keys)
        chosen, others = [], Counter[str]()
        for key, shared in zip(keys, alike, strict=True):
            found = None if key in stored else self._shards.get(shared)
            chosen.append(key if found is None else found.key)
            if found is not None and found.key != key:
                others[found.describe()] += 1
        return chosen, others

    def find_stage(self, plan: StagePlan) -> Found | None:
        """Return a finished stage made in one piece that is alike; None where the exact one is there."""
        if plan.alike is None or self._store.backend.files.read(f"stages/{plan.key}/{SEAL}") is not None:
            return None
        return self._stages.get(plan.alike)
