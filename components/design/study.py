"""What a design found: the candidates, the claimed front, the recommendation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from components.design.goal import Costs, LimitTest
from components.metrics.statistics.bootstrap import Estimate
from components.records import Record
from components.run_record import Score

State = Literal["front", "dominated", "over limit", "dropped", "failed"]
STATES: dict[State, str] = {
    "front": "on the front",
    "dominated": "another one costs no more and is better",
    "over limit": "breaks a limit, or may break it",
    "dropped": "left the race",
    "failed": "could not be computed",
}


class CandidateRecord(Record):
    """A candidate and what became of it.

    Attributes:
        number: in the order of the templates' table.
        name: for people.
        templates: names of its rows.
        models: references.
        graph: as ``antiphon run`` reads it.
        state: a row of :data:`STATES`.
        reason: why.
        rungs: score and cost after each rung of the search.
        searched: score on all of the search data.
        score: on the data that the search never saw.
        costs: there.
        limits: their tests there.
        bound: by how much a system that costs no more may be better, at most, in points.
    """

    number: int = Field(ge=0)
    name: str
    templates: str
    models: tuple[str, ...]
    graph: dict[str, JsonValue]
    state: State
    reason: str = ""
    rungs: tuple[tuple[float, float], ...] = ()
    searched: Score | None = None
    score: Score | None = None
    costs: Costs | None = None
    limits: tuple[LimitTest, ...] = ()
    bound: float | None = None


class Step(Record):
    """From one system of the front to the next dearer one.

    Attributes:
        cheaper, dearer: numbers of the candidates.
        gain: in points of the metric, with a simultaneous interval.
        factor: of the cost.
    """

    cheaper: int
    dearer: int
    gain: Estimate
    factor: float


class Design(Record):
    """A finished design.

    Attributes:
        metric: the primary score.
        higher_is_better: whether more of it is better.
        cost: name of the cost that the front is over.
        rung_sizes: utterances of each rung of the search.
        n_confirm: utterances that the front is claimed on.
        candidates: all of them.
        front: numbers of those on the claimed front, cheapest first.
        steps: along the front.
        margin: by which a member may truly be dominated, at most, with 95% for all together.
        margin_is_stated: whether the user stated it.
        detectable: the least difference of two systems that these data tell apart, in the median.
        recommended: number of the recommended candidate; None: none keeps the limits.
        reason: why that one.
        optimism: search score minus confirmed score of the systems on the front, in the direction of better.
        spent: seconds of computing that the search took.
        budget: that it was given.
        notes: what else a reader must know.
        caution: what a reader must know first: that there are no references.
    """

    metric: str
    higher_is_better: bool
    cost: str
    rung_sizes: tuple[int, ...]
    n_confirm: int
    candidates: tuple[CandidateRecord, ...]
    front: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    margin: float = 0.0
    margin_is_stated: bool = False
    detectable: float | None = None
    recommended: int | None = None
    reason: str = ""
    optimism: Estimate | None = None
    spent: float = 0.0
    budget: float | None = None
    notes: tuple[str, ...] = ()
    caution: str = ""

    def candidate(self, number: int) -> CandidateRecord:
        """Return the candidate of a number."""
        return self.candidates[number]
