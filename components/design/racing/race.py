"""The race of candidates: all on a little of the data, the better ones on more, the best on all.

Successive halving (Jamieson and Talwalkar 2016) over utterances. Who goes on is a set, chosen greedily by the
area under its front that resamples of the utterances let expect, for the seconds that it still takes
(expected hypervolume, Emmerich et al. 2006; sets under a budget, Sviridenko 2004). A candidate that another
one surely dominates drops out at once, as in racing (Maron and Moore 1994; Birattari et al. 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from components.design.racing.selection import Measured, Work, select, surely_dominated
from components.metrics.statistics.corpus_statistics import draw_together

FEW = 30
"""Utterances below which hardly anything can be told apart."""
T = TypeVar("T")


Known = Measured | str
"""What is known of a candidate, or why it failed."""
Evaluate = Callable[[Sequence[int], int], Mapping[int, Known]]
"""Candidates and a rung -> what is known of each on the data up to that rung."""


class Proposals(Protocol):
    """Where the candidates of the first rung come from."""

    def propose(self, n: int) -> Sequence[int]:
        """Return at most ``n`` candidates that were not proposed before; none at the end."""

    def tell(self, number: int, known: Known) -> None:
        """Take note of what became of one."""


class Everything:
    """All candidates in their order.

    Args:
        n: how many there are.
    """

    def __init__(self, n: int) -> None:
        self._left = list(range(n))

    def propose(self, n: int) -> Sequence[int]:
        """Return the next ones."""
        batch, self._left = self._left[:n], self._left[n:]
        return batch

    def tell(self, number: int, known: Known) -> None:
        """Change nothing."""


@dataclass
class Race:
    """A race and its outcome.

    Attributes:
        rungs: of each candidate, what was known after each rung that it finished.
        faults: why candidates failed.
        dropped: candidate -> why it went no further.
        dominated: candidate -> another one that costs no more and is surely better on the search data.
    """

    rungs: dict[int, list[Measured]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    dominated: dict[int, int] = field(default_factory=dict)

    def finalists(self, n_rungs: int) -> list[int]:
        """Return the candidates that were computed on all of the data."""
        return [number for number, known in self.rungs.items() if len(known) == n_rungs]

    def work(self) -> Work:
        """Return what all candidates take, and what of it is left."""
        whole, left = dict[str, float](), dict[str, float]()
        for known in self.rungs.values():
            for each in known:
                for name, work in each.nodes.items():
                    whole[name] = work.whole
                    left[name] = min(work.left, left.get(name, work.left))
        return Work(sum(whole.values()), sum(left.values()))


def run_race(
    proposals: Proposals,
    blocks: Sequence[int],
    evaluate: Evaluate,
    share: float = 0.24,
    batch: int = 8,
    has_time: Callable[[], bool] = lambda: True,
) -> Race:
    """Race candidates.

    Args:
        proposals: where those of the first rung come from.
        blocks: utterances by which the data grow on each rung.
        evaluate: computes candidates on a further block, or forecasts them; on the last rung it computes.
        share: of the seconds that all candidates would take on all data, which the race may.
        batch: candidates that are computed together.
        has_time: whether a further batch may begin.
    """
    race = Race()

    def compute(members: Sequence[int], rung: int) -> None:
        for number, known in evaluate(members, rung).items():
            if isinstance(known, str):
                race.faults[number] = known
            else:
                race.rungs.setdefault(number, []).append(known)
            if rung == 0:
                proposals.tell(number, known)

    while has_time() and (members := proposals.propose(batch)):
        compute(members, 0)
    for rung in range(1, len(blocks)):
        running = [c for c, known in race.rungs.items() if len(known) == rung and c not in race.faults]
        work = race.work()
        seconds = share * work.whole - (work.whole - work.left)
        # Each rung may take an equal part of what is left; there, of those that go on, only its block.
        seconds *= sum(blocks[rung:]) / blocks[rung] / (len(blocks) - rung)
        going = _promote(race, running, seconds) if running else []
        for members in batches(going if rung == len(blocks) - 1 else sorted(going), batch):
            if has_time():
                compute(members, rung)
            else:
                race.dropped |= dict.fromkeys(members, "no time was left")
    return race


def count_rungs(total: int, rungs: int, factor: int) -> int:
    """Return how many of some rungs, each ``factor`` times the one before, begin with enough utterances."""
    while rungs > 1 and total / factor ** (rungs - 1) < FEW:
        rungs -= 1
    return rungs


def batches(members: Sequence[T], n: int) -> list[Sequence[T]]:
    """Return members in batches of ``n``."""
    return [members[start : start + n] for start in range(0, len(members), n)]


def _promote(race: Race, running: Sequence[int], seconds: float) -> list[int]:
    """Return the candidates that go on, best first; notes why the others do not."""
    known = [race.rungs[number][-1] for number in running]
    draw_together([each.statistics for each in known])
    dominated = surely_dominated(known)
    undominated = [position for position in range(len(running)) if dominated[position] is None]
    race.dominated |= {running[n]: running[by] for n, by in enumerate(dominated) if by is not None}
    within = [position for position in undominated if known[position].violation == 0]
    if not within:  # the nearest to its limits is shown
        promoted = [min(undominated, key=lambda position: known[position].violation)]
    else:
        promoted = [within[n] for n in select([known[position] for position in within], seconds)]
    race.dropped |= {
        running[n]: "others promised more of the front" + " (by a forecast)" * known[n].is_forecast
        for n in undominated
        if n not in promoted
    }
    return [running[position] for position in promoted]
