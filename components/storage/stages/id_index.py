"""The index of a stage by id: in which of its shards a record is, found among millions without reading them.

It is made once, by one pass over the lines, of 12 bytes a record; that of a large stage is kept on disk, in
``ANTIPHON_CACHE``, and may be deleted at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from components.files.digests import cache_folder
from components.files.files import open_atomically
from components.run_record import StageRef
from components.storage.shards.line_ids import id_of_line
from components.storage.shards.shard import ShardEntry, sum_counts
from components.storage.stages.reader import read_entries, read_shard, read_shards, store_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_FROM = 50_000
"""Records of a stage whose index is kept on disk; that of a smaller one is made again in a quarter second."""
_COLUMNS = [("digest", "<u8"), ("shard", "<u4")]
log = logging.getLogger("antiphon.store")


class IdIndex:
    """Which shard of a stage may have an id.

    Args:
        digests: of the ids, ascending, 8 bytes each.
        shards: the position of the shard of each.
    """

    def __init__(self, digests: NDArray[np.uint64], shards: NDArray[np.uint32]) -> None:
        self.digests, self.shards = digests, shards

    def __len__(self) -> int:
        return len(self.digests)

    def find(self, utterance_id: str) -> list[int]:
        """Return the positions of the shards that may have an id; almost always one or none."""
        import numpy as np  # noqa: PLC0415 - 0.1 s, which whoever looks nothing up need not

        digest = np.frombuffer(_digest(utterance_id), "<u8")[0]
        low, high = (int(self.digests.searchsorted(digest, side)) for side in ("left", "right"))
        return sorted({int(number) for number in self.shards[low:high]})


def index_of(ref: StageRef) -> IdIndex:
    """Return the index of a stage: the one that is kept, or a new one."""
    return _find_index(ref.path, ref.key, ref.sha256)


@lru_cache(maxsize=4)
def _find_index(path: str, key: str, sha256: str) -> IdIndex:
    folder = Path(path)
    shards = read_entries(folder, key)
    records, _ = sum_counts(shards)
    if records < KEPT_FROM:
        return _build(folder, shards)
    file = cache_folder() / "ids" / f"{sha256}.npy"
    kept = _load(file, records)
    if kept is None:
        kept = _build(folder, shards)
        _keep(file, kept)
    return kept


def find_missing(data: StageRef, ids: Iterable[str]) -> set[str]:
    """Return those of some ids that no utterance of a data set has."""
    wanted = set(ids)
    if not wanted:
        return wanted
    index, shards = index_of(data), read_shards(data)
    for number in {number for each in wanted for number in index.find(each)}:
        wanted -= {id_of_line(line) for ok, line in read_shard(store_of(data), shards[number].key) if ok}
    return wanted


def _digest(utterance_id: str) -> bytes:
    return blake2b(utterance_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _build(folder: Path, shards: Sequence[ShardEntry]) -> IdIndex:
    import numpy as np  # noqa: PLC0415 - as above

    lines = (line for shard in shards for _, line in read_shard(folder.parents[1], shard.key))
    digests = np.frombuffer(b"".join(_digest(id_of_line(line)) for line in lines), "<u8")
    counts = [shard.ok + shard.quarantined for shard in shards]
    numbers = np.repeat(np.arange(len(shards), dtype="<u4"), counts)
    order = np.argsort(digests, kind="stable")
    return IdIndex(digests[order], numbers[order])


def _keep(file: Path, index: IdIndex) -> None:
    """Write an index; a cache that cannot be written costs time, nothing else."""
    import numpy as np  # noqa: PLC0415 - as above

    table = np.empty(len(index), _COLUMNS)
    table["digest"], table["shard"] = index.digests, index.shards
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_atomically(file) as writer:
            np.save(writer, table, allow_pickle=False)
    except OSError as error:
        log.warning("%s: the index of ids was not kept: %s", file, error.strerror)


def _load(file: Path, records: int) -> IdIndex | None:
    """Return the index that is kept; None where there is none, or what is there is none."""
    import numpy as np  # noqa: PLC0415 - as above

    try:
        table = np.load(file, mmap_mode="r", allow_pickle=False)
        if table.shape == (records,) and table.dtype == np.dtype(_COLUMNS):
            return IdIndex(np.ascontiguousarray(table["digest"]), np.ascontiguousarray(table["shard"]))
    except (OSError, ValueError, EOFError):
        pass
    return None
