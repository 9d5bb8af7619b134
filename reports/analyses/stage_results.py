"""Files in which analysis stages keep their results: comparison, error attribution, contributions."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from components.analysis.cascade_attribution import AttributionReport
from components.analysis.comparison import Comparison
from components.analysis.contribution import Contribution
from components.errors import StoreError
from components.files import read_json
from components.run_record import StageRef

BLAME, COMPARISON, CONTRIBUTIONS = "blame.json", "comparison.json", "contributions.json"
VALUES = "utterances.jsonl"
"""Numbers of each utterance, in the stage of an error attribution or a comparison."""


def read_blame(ref: StageRef) -> AttributionReport:
    """Read the error attribution of a ``blame`` stage."""
    return AttributionReport.model_validate(read_json(Path(ref.path) / BLAME))


def read_comparison(ref: StageRef) -> Comparison:
    """Read the comparison of a ``comparison`` stage.

    Raises:
        StoreError: another version of Antiphon wrote it.
    """
    path = Path(ref.path) / COMPARISON
    try:
        return Comparison.model_validate(read_json(path))
    except ValidationError as error:
        raise StoreError(
            f"{path}: expected a comparison of this version of Antiphon, found one of another "
            f"({error.error_count()} fields differ); compare the runs again"
        ) from error


def read_contributions(ref: StageRef) -> list[Contribution]:
    """Read the contributions of a ``contribution`` stage."""
    return [
        Contribution.model_validate(system) for system in read_json(Path(ref.path) / CONTRIBUTIONS)["systems"]
    ]
