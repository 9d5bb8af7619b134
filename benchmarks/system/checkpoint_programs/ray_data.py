"""Ray Data alone with its own checkpoint: ``ray_data.py PIECES SECONDS SECONDS SECONDS`` in its folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig


class Step:
    """A node: notes the piece, sleeps, passes it on."""

    def __init__(self, folder: str, node: str, seconds: float) -> None:
        self.log, self.node, self.seconds = Path(folder, "calls.txt"), node, seconds

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Compute a piece."""
        for piece in batch["id"]:
            with self.log.open("a") as file:
                file.write(f"{self.node} {piece} {os.getpid()}\n")
            time.sleep(self.seconds)
        return batch


def main(pieces: int, seconds: list[float]) -> None:
    """Run the chain, from where its checkpoint says that it was."""
    folder = Path.cwd()
    source = folder / "source"
    if not source.exists():
        source.mkdir()
        for number in range(pieces):
            pq.write_table(pa.table({"id": [f"piece-{number:04}"]}), source / f"{number:04}.parquet")
    # Nodes sleep: what reads, filters by the checkpoint and writes has processors of its own.
    ray.init("local", num_cpus=8, include_dashboard=False, object_store_memory=268435456, log_to_driver=False)
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=str(folder / "checkpoint"), delete_checkpoint_on_success=False
    )
    data = ray.data.read_parquet(str(source), override_num_blocks=pieces)
    data = data.repartition(target_num_rows_per_block=1)  # reading puts several small files into one
    for node, second in zip(("first", "second", "third"), seconds, strict=True):
        data = data.map_batches(
            Step,
            fn_constructor_args=(str(folder), node, second),
            batch_size=1,
            num_cpus=0.3,
            compute=ActorPoolStrategy(size=1),
        )
    data.write_parquet(str(folder / "out"))


if __name__ == "__main__":
    main(int(sys.argv[1]), [float(text) for text in sys.argv[2:]])
