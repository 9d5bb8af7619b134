"""The weight of the direct model, as the stage that learned it keeps it."""

from __future__ import annotations

from pathlib import Path

from components.files import read_json, write_json
from components.storage.whole_stage import Product

COEFFICIENT_FILE = "coefficient.json"


def write_coefficient(folder: Path, value: float, score: float, items: int) -> Product:
    """Keep the weight and the score that it reached on so many utterances."""
    write_json(folder / COEFFICIENT_FILE, {"coefficient": value, "reached": score})
    return Product([COEFFICIENT_FILE], items=items)


def read_coefficient(folder: Path) -> float:
    """The weight that the folder of a ``tune_stack`` node holds."""
    return float(read_json(folder / COEFFICIENT_FILE)["coefficient"])
