"""How many bytes of a store belong to what: to runs, to kinds of stages, to nobody."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from components.errors import StoreError
from components.files.json_text import parse_json
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from components.storage.store_files import StoreFiles
from components.storage.upkeep.inventory import AUDIO, Inventory
from components.storage.upkeep.prune import read_fingerprint
from components.storage.upkeep.references import STAGES, References


class RunUsage(NamedTuple):
    """Bytes of a run: its own files, those that no other run refers to in the store, and what it shares."""

    name: str
    files: int
    own: int
    shared: int


class KindUsage(NamedTuple):
    """How many stages of a kind there are, and their bytes."""

    kind: str
    stages: int
    bytes: int


class Usage(NamedTuple):
    """What the bytes of a store belong to.

    Attributes:
        bytes: of all files.
        stages: of all stages and their shards.
        runs: of each run, the largest first.
        kinds: of each kind of stage, the largest first.
        unreferenced: of stages and shards that no run refers to, and the number of such stages.
        at_work: of those that runs at work, or interrupted ones, use: prune leaves them.
        leftovers: of what killed processes and repairs left.
        locks: of locks, leases and notes.
        audio: of recordings that came with an imported run.
        requests: of those that ``antiphon serve`` has kept.
        unknown: runs whose record is damaged, so that what they refer to is not known.
    """

    bytes: int
    stages: int
    runs: tuple[RunUsage, ...]
    kinds: tuple[KindUsage, ...]
    unreferenced: tuple[int, int]
    at_work: int
    leftovers: int
    locks: int
    audio: int
    requests: int
    unknown: tuple[str, ...]


def measure_usage(store: Store) -> Usage:
    """Measure a store. Nothing is verified, and nothing is locked."""
    files = store.backend.files
    inventory = Inventory(files)
    references = References(files, inventory.keys)
    of_runs, unknown = {}, []
    for name in inventory.runs:
        try:
            stages = references.close(references.of_run(name))
            of_runs[name] = stages | (references.shards_of(stages) & inventory.shards.keys())
        except StoreError:
            unknown.append(name)
    owners = Counter(key for keys in of_runs.values() for key in keys)
    runs = [_measure_run(inventory, name, keys, owners) for name, keys in of_runs.items()]
    everything = {*inventory.keys, *inventory.shards}
    noted = store.backend.uses.read_notes()
    free = {key for key in everything if key not in owners}
    at_work = {key for key in free if key in noted or (noted and read_fingerprint(store, key) in noted)}
    free -= at_work
    return Usage(
        bytes=inventory.bytes,
        stages=inventory.bytes_of(everything),
        runs=tuple(sorted(runs, key=lambda run: (-run.own - run.files, run.name))),
        kinds=_measure_kinds(files, inventory, references),
        unreferenced=(inventory.bytes_of(free), len(free & set(inventory.keys))),
        at_work=inventory.bytes_of(at_work),
        leftovers=sum(facts.bytes for facts in inventory.leftovers().values()),
        locks=sum(facts.bytes for facts in inventory.locks().values()),
        audio=_measure_folder(inventory, AUDIO),
        requests=_measure_folder(inventory, "kept"),
        unknown=tuple(unknown),
    )


def _measure_folder(inventory: Inventory, folder: str) -> int:
    return sum(facts.bytes for name, facts in inventory.facts.items() if name.startswith(f"{folder}/"))


def _measure_run(inventory: Inventory, name: str, keys: set[str], owners: Counter[str]) -> RunUsage:
    own = {key for key in keys if owners[key] == 1}
    return RunUsage(
        name, inventory.of_run(name).bytes, inventory.bytes_of(own), inventory.bytes_of(keys - own)
    )


def _measure_kinds(files: StoreFiles, inventory: Inventory, references: References) -> tuple[KindUsage, ...]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    counted: set[str] = set()
    for key in inventory.keys:
        kind = _kind_of(files.read(f"{STAGES}/{key}/{SEAL}"))
        shards = (references.shards_of([key]) & inventory.shards.keys()) - counted
        counted |= shards
        counts[kind] += 1
        sizes[kind] += inventory.bytes_of({key, *shards})
    return tuple(KindUsage(kind, counts[kind], size) for kind, size in sizes.most_common())


def _kind_of(seal: bytes | None) -> str:
    """Return the kind of a stage, else its name."""
    try:
        values = parse_json(seal or b"{}")
        return str(values.get("kind") or values.get("stage") or "unknown")
    except (ValueError, AttributeError):
        return "unknown"
