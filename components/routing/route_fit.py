"""A learned route as it stands in its stage: the threshold, what it was learned for, and what it is worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.errors import StoreError
from components.files.files import read_json, write_json
from components.records import Record
from components.routing.curve import CostQuality

ROUTE_FILE = "route.json"
FIT_ROUTE = "fit_route"
"""The kind of node whose stage holds it."""
Doubtful = Literal["low", "high"]


class TierCosts(Record):
    """Seconds of computing the development set, measured when its stages were computed.

    Attributes:
        cheap: of all that runs for every utterance.
        expensive: of what runs besides, if every utterance escalates.
        units: seconds of audio, or utterances where there is no audio.
        unit: what these are.
    """

    cheap: float = Field(ge=0)
    expensive: float = Field(ge=0)
    units: float = Field(gt=0)
    unit: Literal["second of audio", "utterance"]

    def at(self, share: float) -> float:
        """Return seconds of computing per unit where units of this share escalate."""
        return (self.cheap + share * self.expensive) / self.units


class Guarantee(Record):
    """What was shown of the bad outputs that stay with the cheap system.

    Attributes:
        risk: the limit of their share.
        confidence: probability that it holds, over development sets.
        bad: the condition.
        among: of which utterances it is the share.
        bad_outputs: of the development set's cheap outputs.
        kept_bad: those that stay.
        passed: whether any threshold passed; if not, everything escalates.
    """

    risk: float
    confidence: float
    bad: str
    among: Literal["all", "kept"]
    bad_outputs: int = Field(ge=0)
    kept_bad: int = Field(ge=0)
    passed: bool


class RouteFit(Record):
    """A learned route.

    Attributes:
        by: the number that decides.
        doubtful: the end of it that escalates.
        escalates: all or none of the utterances, or those with a number at the threshold or beyond.
        threshold: the least doubtful number that escalates.
        objective: what was asked, in words.
        n: utterances that it was learned from.
        size: how many of these escalate.
        curve: of the development set, where both rungs' outputs and references are known.
        quality: the score at the threshold.
        interval: its 95% bootstrap interval over utterances; the threshold was chosen on the same ones.
        costs: of the rungs, where both are known.
        cost_share: share of the units of cost that escalates.
        guarantee: what was shown, if that was asked.
        predictor: what predicts the gain from several numbers, where these decide; see
            :class:`~components.routing.gain_predictor.GainPredictor`.
    """

    by: str
    doubtful: Doubtful
    escalates: Literal["all", "none", "beyond"]
    threshold: float | None
    objective: str
    n: int = Field(ge=1)
    size: int = Field(ge=0)
    curve: CostQuality | None = None
    quality: float | None = None
    interval: tuple[float, float] | None = None
    costs: TierCosts | None = None
    cost_share: float | None = None
    guarantee: Guarantee | None = None
    predictor: dict[str, object] | None = None

    @property
    def share(self) -> float:
        """The share of the development set that escalates."""
        return self.size / self.n

    def escalates_at(self, value: float | None) -> bool:
        """Return whether an utterance with this number escalates; without one under a guarantee."""
        if value is None:
            return self.guarantee is not None  # which was shown of those that have the number
        if self.threshold is None:
            return self.escalates == "all"
        value = to_finite(value)
        return value <= self.threshold if self.doubtful == "low" else value >= self.threshold


def to_finite(value: float) -> float:
    """Return a number with infinity as the largest number, which a record can hold."""
    return max(-sys.float_info.max, min(sys.float_info.max, value))


def write_route_fit(folder: Path, fit: RouteFit) -> None:
    """Write a learned route into its stage."""
    write_json(folder / ROUTE_FILE, fit.model_dump(mode="json"))


def read_route_fit(folder: Path) -> RouteFit:
    """Read the learned route of a stage.

    Raises:
        StoreError: another version of Antiphon wrote it.
    """
    path = folder / ROUTE_FILE
    try:
        return RouteFit.model_validate(read_json(path))
    except ValidationError as error:
        raise StoreError(
            f"{path}: expected a learned route of this version of Antiphon, found one of another "
            f"({error.error_count()} fields differ); learn it again"
        ) from error
