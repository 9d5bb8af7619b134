"""The weight of the direct model, as the stage that learned it keeps it."""

from __future__ import annotations

from pathlib import Path

from components.files import read_json, write_json
from components.records import StageRef
from components.storage.stage_writer import Product

COEFFICIENT = "coefficient.json"


def write_coefficient(folder: Path, value: float, reached: float, items: int) -> Product:
    """Keep the weight and the score that it reached on so many utterances."""
    write_json(folder / COEFFICIENT, {"coefficient": value, "reached": reached})
    return Product([COEFFICIENT], items=items)


def read_coefficient(ref: StageRef) -> float:
    """The weight that a stage of kind ``tune_stack`` holds."""
    return float(read_json(Path(ref.path) / COEFFICIENT)["coefficient"])
