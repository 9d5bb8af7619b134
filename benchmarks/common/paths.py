"""Where the repository, its pages of results and the data of the benchmarks are."""

from __future__ import annotations

from pathlib import Path

from components.errors import DataError
from components.files.digests import data_folder

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


def data_set(name: str) -> Path:
    """The folder of one set: fetched, or as the team's shared folder beside the repository has it.

    Raises:
        DataError: it is in neither place.
    """
    for folder in (data_folder(), ROOT.parent / "shared" / "data"):
        if (folder / name).is_dir():
            return folder / name
    raise DataError(
        f"{name}: expected {data_folder() / name}, found none; run: python -m benchmarks.data fetch {name}"
    )
