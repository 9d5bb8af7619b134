"""A cost-quality curve as it is kept: imports no numpy, since routes are read by it."""

from __future__ import annotations

from pydantic import Field

from components.records import Record

Band = tuple[float, float]
"""The ends of an interval."""


class CurvePoint(Record):
    """Corpus scores where a share of the utterances escalates."""

    share: float = Field(ge=0, le=1)
    quality: float = Field(description="the most doubtful escalate; linear between values of the number")
    random: float = Field(description="mean of random routing")
    band: Band = Field(description="95% of random routings")
    oracle: float = Field(description="those that gain most escalate")


class CostQuality(Record):
    """A cost-quality curve.

    Attributes:
        metric: of the corpus.
        higher_is_better: whether more of it is better.
        points: shares from 0 (the cheap rung alone) to 1 (the expensive one alone).
        area: between the curve and random routing, as a share of that between oracle and random; None where
            choosing utterances could gain nothing.
        random_area: 95% of random routings have an area between these.
    """

    metric: str
    higher_is_better: bool
    points: tuple[CurvePoint, ...]
    area: float | None
    random_area: Band | None

    @property
    def ends(self) -> tuple[float, float]:
        """The scores of the cheap and of the expensive rung alone."""
        return self.points[0].quality, self.points[-1].quality

    @property
    def best(self) -> CurvePoint:
        """The point of the best quality, with the fewest that escalate."""
        sign = 1 if self.higher_is_better else -1
        return max(self.points, key=lambda point: (sign * point.quality, -point.share))
