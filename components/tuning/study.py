"""What a search found: its tries, the Pareto front, and the winner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue

from components.comparison.dominance import count_dominating
from components.errors import ConfigError
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.significance import Verdict as TestVerdict
from components.records import Record
from components.run_record import Score
from components.tuning.forecast import GainForecast, Verdict

AS_WRITTEN = 0
"""Number of the try that is the pipeline as the file has it."""


class Try(Record):
    """One pipeline that a search tried.

    Attributes:
        number: in the order of trying; 0 is the pipeline as it is written.
        settings: key of each variable -> its value; empty for the pipeline as it is written.
        state: ``pruned`` was stopped after a rung; ``failed`` could not be computed; ``untried`` had no time;
            ``unavailable`` lacks what it needs, as the reason says.
        rungs: values of all objectives on each rung that it finished.
        scores: of the last rung, with intervals; costs have none.
        reason: why it failed, or what it lacks.
        forecast: what is known of its gain on other data.
    """

    number: int = Field(ge=0)
    settings: dict[str, JsonValue]
    state: Literal["complete", "pruned", "failed", "untried", "unavailable"]
    rungs: tuple[tuple[float, ...], ...] = ()
    scores: tuple[Score, ...] = ()
    reason: str = ""
    forecast: GainForecast | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """Values of the objectives on the last rung that it finished."""
        return self.rungs[-1]


class ObjectiveRecord(Record):
    """An objective as results show it."""

    name: str
    higher_is_better: bool


class Study(Record):
    """A finished search.

    Attributes:
        objectives: what was optimized; the first chooses the winner.
        variables: key -> the values that it could have, as they were written.
        sampler: name of the sampler.
        seed: of the sampler.
        rung_sizes: utterances of each rung.
        reduction_factor: of successive halving.
        tries: in their order.
        repeats: suggestions that had been tried before; they cost nothing and do not count.
        tolerance: how much worse in the first objective the winner may be than the best try.
        budget: seconds for the search and for computing its winner; None: no limit.
        spent: seconds of the search.
    """

    objectives: tuple[ObjectiveRecord, ...]
    variables: dict[str, JsonValue]
    sampler: str
    seed: int
    rung_sizes: tuple[int, ...]
    reduction_factor: int
    tries: tuple[Try, ...]
    repeats: int = 0
    tolerance: float = 0.0
    budget: float | None = None
    spent: float = 0.0

    @property
    def signs(self) -> list[int]:
        """1 for each objective of which more is better, else -1."""
        return [1 if objective.higher_is_better else -1 for objective in self.objectives]

    @property
    def complete(self) -> list[Try]:
        """The tries that were computed on all of the data."""
        return [each for each in self.tries if each.state == "complete"]

    @property
    def front(self) -> list[Try]:
        """The tries on all data that no other dominates, best in the first objective first."""
        return self._front_of(self.complete)

    @property
    def winner(self) -> Try:
        """The best of the front in the first objective; within the tolerance, the best in the second.

        What cannot be computed in the time that is left does not count.

        Raises:
            ConfigError: no try could be computed.
        """
        if not self.complete:
            reasons = dict.fromkeys(each.reason for each in self.tries)
            raise ConfigError(f"expected a try that can be computed, found none: {'; '.join(reasons)}")
        front = self._front_of([each for each in self.complete if self._has_time_for(each)])
        if len(self.signs) == 1:
            return front[0]
        limit = self.signs[0] * front[0].values[0] - self.tolerance
        near = [each for each in front if self.signs[0] * each.values[0] >= limit]
        return max(near, key=lambda each: self.signs[1] * each.values[1])

    def _front_of(self, tries: Sequence[Try]) -> list[Try]:
        counts = count_dominating([each.values for each in tries], self.signs)
        best = [each for each, count in zip(tries, counts, strict=True) if count == 0]
        return sorted(best, key=lambda each: (-self.signs[0] * each.values[0], each.number))

    def _has_time_for(self, each: Try) -> bool:
        seconds = None if each.forecast is None else each.forecast.seconds
        return self.budget is None or seconds is None or seconds <= self.budget - self.spent

    def named(self, number: int) -> Try:
        """Return the try of a number."""
        return next(each for each in self.tries if each.number == number)


class Confirmation(Record):
    """The winner on data that the search never saw, beside the pipeline as it was written.

    A gain is that of the winner over the pipeline as written, positive where the winner is better.

    Attributes:
        metric: the first objective.
        search: score of the winner on the search data.
        confirmed: its score on the other data.
        optimism: search score minus confirmed score, in the direction of better; the difference of the two
            sets in difficulty is part of it.
        search_gain: on the search data.
        confirmed_gain: on the other data.
        tested: how the paired test there ended, as a comparison of the two says.
        gain_optimism: search gain minus confirmed gain: what of the gain was chance.
        earlier: runs whose winner was confirmed on the same data before.
        forecast: of the gain, by the search.
        verdict: whether the gain on the other data is as was forecast.
    """

    metric: str
    search: Score
    confirmed: Score
    optimism: Estimate
    search_gain: Estimate
    confirmed_gain: Estimate
    tested: TestVerdict
    gain_optimism: Estimate
    earlier: tuple[str, ...] = ()
    forecast: GainForecast | None = None
    verdict: Verdict = "not tested"


def best_so_far(study: Study) -> list[tuple[int, float]]:
    """Return number and value of the first objective after each try on all data that was the best so far."""
    best: list[tuple[int, float]] = []
    for each in study.complete:
        if not best or study.signs[0] * each.values[0] > study.signs[0] * best[-1][1]:
            best.append((each.number, each.values[0]))
    return best
