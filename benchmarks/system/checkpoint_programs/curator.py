"""NeMo Curator with its own checkpoint: ``curator.py PIECES SECONDS SECONDS SECONDS`` in its folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from nemo_curator.backends.ray_data import RayDataExecutor  # type: ignore[import-not-found]
from nemo_curator.pipeline import Pipeline  # type: ignore[import-not-found]
from nemo_curator.stages.base import ProcessingStage  # type: ignore[import-not-found]
from nemo_curator.stages.resources import Resources  # type: ignore[import-not-found]
from nemo_curator.tasks import EmptyTask, FileGroupTask  # type: ignore[import-not-found]


class Source(ProcessingStage):  # type: ignore[misc]
    """Names the pieces."""

    name = "source"
    resources = Resources(cpus=0.1)

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def inputs(self) -> tuple[list[str], list[str]]:
        """Nothing."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Nothing that Curator would check."""
        return [], []

    def process(self, task: EmptyTask) -> list[Any]:
        """Return the pieces, each a source of its own."""
        return [
            FileGroupTask(dataset_name="pieces", data=[f"piece-{number:04}"]) for number in range(self.pieces)
        ]

    def ray_stage_spec(self) -> dict[str, Any]:
        """One task in, many out."""
        return {"is_fanout_stage": True}


class Step(ProcessingStage):  # type: ignore[misc]
    """A node: notes the piece, sleeps, passes it on."""

    resources = Resources(cpus=0.3)

    def __init__(self, folder: str, node: str, seconds: float) -> None:
        self.name, self.log, self.seconds = node, Path(folder, "calls.txt"), seconds

    def inputs(self) -> tuple[list[str], list[str]]:
        """Nothing that Curator would check."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Nothing that Curator would check."""
        return [], []

    def num_workers(self) -> int:
        """One process, as in the other systems."""
        return 1

    def ray_stage_spec(self) -> dict[str, Any]:
        """An actor."""
        return {"is_actor_stage": True}

    def process(self, task: FileGroupTask) -> FileGroupTask:
        """Compute a piece."""
        with self.log.open("a") as file:
            file.write(f"{self.name} {task.data[0]} {os.getpid()}\n")
        time.sleep(self.seconds)
        return task


def main(pieces: int, seconds: list[float]) -> None:
    """Run the chain, from where its checkpoint says that it was."""
    folder = Path.cwd()
    names = ("first", "second", "third")
    steps = [Step(str(folder), node, second) for node, second in zip(names, seconds, strict=True)]
    pipeline = Pipeline(name="chain", stages=[Source(pieces), *steps])
    pipeline.run(RayDataExecutor(), checkpoint_path=folder / "checkpoint")


if __name__ == "__main__":
    main(int(sys.argv[1]), [float(text) for text in sys.argv[2:]])
