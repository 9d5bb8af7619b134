"""The protocol of a stage that is made in one piece, such as a model or a table: measured, sealed, reused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.compute.profiling import measure_cost
from components.errors import StoreError
from components.files.files import disk_full_as_store_error, read_json, write_bytes, write_json
from components.records import NodeOutcome, Quarantined
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader, count_refused
from components.storage.stages.reader import REFUSED
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import StageWriter, open_stage
from components.storage.store import Store

READ = "read.json"
WORK = "work"
"""Folder of a stage made in one piece for what only resuming needs; removed once it is sealed."""
TABLES = "tables.json"
"""Tables that a stage may seal for the report: ``{"tables": [Table.to_json()]}``."""


@dataclass(frozen=True)
class StageFiles:
    """The files that a stage made in one piece left in its folder, and how many items they stand for."""

    files: Iterable[str]
    items: int
    refused: Sequence[Quarantined] = ()
    """The items that could not be processed, of a node that gives no outcomes."""
    records: Sequence[NodeOutcome] | None = None
    """Outcomes in the order of its data set, of a node that gives texts or speech."""
    shards: Sequence[ShardHeader] = ()
    """Of stored shards that it was made of, which stay as long as it does."""
    seconds: float | None = None
    """Wall time of computing, where that began in an earlier attempt."""


def compute_once(
    store: Store,
    plan: StagePlan,
    work: Callable[[Path], StageFiles],
    read_digests: Mapping[str, str] | None = None,
) -> StageRef:
    """Return the stage of a plan that is made in one piece: reused if it is finished, else made and sealed.

    Args:
        store: where.
        plan: the stage's.
        work: makes the files in the stage's folder, where an earlier attempt may have left some.
        read_digests: see :func:`~components.storage.stages.stage_writer.open_stage`.

    Raises:
        StoreError: somebody has removed its folder meanwhile.
    """
    with open_stage(store, plan, read_digests=read_digests) as writer:
        try:
            ref = writer.ref or _make_and_seal(writer, work)
        except FileNotFoundError as error:
            if writer.path.exists():
                raise
            raise StoreError(
                f"stage {plan.stage}: expected {writer.path}, found it removed; run the same command again"
            ) from error
    discard_work(writer.path)
    return ref


def _make_and_seal(writer: StageWriter, work: Callable[[Path], StageFiles]) -> StageRef:
    _clear_stale_work(writer)
    with measure_cost() as cost:
        product = work(writer.path)
    files = list(product.files)
    if product.refused:
        lines = (record.model_dump_json() + "\n" for record in product.refused)
        write_bytes(writer.path / REFUSED, "".join(lines).encode())
        files.append(REFUSED)
    cost.seconds = cost.seconds if product.seconds is None else product.seconds
    return writer.seal(
        files,
        cost,
        items=product.items,
        quarantined=len(product.refused) + count_refused(product.records or ()),
        records=product.records,
        shards=product.shards,
    )


def _clear_stale_work(writer: StageWriter) -> None:
    """Remove what an earlier attempt made from other inputs than this one's."""
    noted = writer.path / WORK / READ
    if noted.is_file() and read_json(noted) != writer.read_digests:
        for path in writer.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    with disk_full_as_store_error(f"stage {writer.plan.stage}", writer.path):
        noted.parent.mkdir(exist_ok=True)
        write_json(noted, writer.read_digests)


def discard_work(folder: Path) -> None:
    """Remove the work folder of a finished stage, also one that a kill after the seal left."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
