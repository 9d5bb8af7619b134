"""Files in which analysis stages keep their results: comparison, error attribution, contributions."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from components.analysis.comparing.comparison import Comparison
from components.attribution.cascade_attribution import AttributionReport
from components.attribution.contribution import Contribution
from components.confidence.evaluation.quality import SignalQuality
from components.errors import StoreError
from components.files.files import read_json
from components.improvement.forecast import Improvement
from components.records import Record
from components.run_record import StageRef
from components.tuning.study import Confirmation, Study

BLAME, COMPARISON, CONTRIBUTIONS = "blame.json", "comparison.json", "contributions.json"
CONFIDENCE, IMPROVEMENT = "confidence.json", "improvement.json"
STUDY, CONFIRMATION = "study.json", "confirmation.json"
_Result = TypeVar("_Result", bound=Record)
VALUES = "utterances.jsonl"
"""Numbers of each utterance, in the stage of an error attribution or a comparison."""


def read_blame(ref: StageRef) -> AttributionReport:
    """Read the error attribution of a ``blame`` stage. StoreError: another version of Antiphon wrote it."""
    return _read(AttributionReport, ref, BLAME, "an error attribution", "blame the run again")


def read_comparison(ref: StageRef) -> Comparison:
    """Read the comparison of a ``comparison`` stage. StoreError: another version of Antiphon wrote it."""
    return _read(Comparison, ref, COMPARISON, "a comparison", "compare the runs again")


def read_contributions(ref: StageRef) -> list[Contribution]:
    """Read the contributions of a ``contribution`` stage. StoreError: another version wrote them."""
    path = Path(ref.path) / CONTRIBUTIONS
    return [
        _validate(Contribution, system, path, "a contribution", "measure the contributions again")
        for system in read_json(path)["systems"]
    ]


def read_confidence(ref: StageRef) -> list[SignalQuality]:
    """Read how good the confidences of a run are, from its ``confidence`` stage.

    Raises:
        StoreError: another version of Antiphon wrote it.
    """
    path = Path(ref.path) / CONFIDENCE
    return [
        _validate(SignalQuality, row, path, "the quality of a confidence", "run it again")
        for row in read_json(path)["signals"]
    ]


def read_improvement(ref: StageRef) -> Improvement:
    """Read the remedies of an ``improvement`` stage. StoreError: another version of Antiphon wrote it."""
    return _read(Improvement, ref, IMPROVEMENT, "remedies", "improve the run again")


def read_study(ref: StageRef) -> Study:
    """Read the search of a ``study`` stage. StoreError: another version of Antiphon wrote it."""
    return _read(Study, ref, STUDY, "a search", "tune again")


def read_confirmation(ref: StageRef) -> Confirmation:
    """Read how a search's winner does on data that it never saw, from its ``confirmation`` stage.

    Raises:
        StoreError: another version of Antiphon wrote it.
    """
    return _read(Confirmation, ref, CONFIRMATION, "a confirmation", "tune again")


def _read(model: type[_Result], ref: StageRef, name: str, what: str, remedy: str) -> _Result:
    path = Path(ref.path) / name
    return _validate(model, read_json(path), path, what, remedy)


def _validate(model: type[_Result], content: object, path: Path, what: str, remedy: str) -> _Result:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise StoreError(
            f"{path}: expected {what} of this version of Antiphon, found one of another "
            f"({error.error_count()} fields differ); {remedy}"
        ) from error
