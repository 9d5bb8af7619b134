"""The file with the learned weight of the speech model, in the folder of a ``fit_fusion`` node."""

from __future__ import annotations

from pathlib import Path

from components.files.files import read_json, write_json
from components.storage.stages.whole_stage import StageFiles

COEFFICIENT_FILE = "coefficient.json"


def write_coefficient(folder: Path, value: float, score: float, items: int) -> StageFiles:
    """Write the weight, and the score that it reached on ``items`` development utterances."""
    write_json(folder / COEFFICIENT_FILE, {"coefficient": value, "reached": score})
    return StageFiles([COEFFICIENT_FILE], items=items)


def read_coefficient(folder: Path) -> float:
    """Read the weight from the folder of a ``fit_fusion`` node."""
    return float(read_json(folder / COEFFICIENT_FILE)["coefficient"])
