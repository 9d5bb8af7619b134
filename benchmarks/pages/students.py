"""What does a student cost in quality, and what does a route back to its teacher give back?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table
from benchmarks.common.text_statistics import read_statistics
from benchmarks.pages.page import Page
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.null_distributions import correct_holm
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from components.metrics.table import get_metric
from components.routing.rung_outputs import RungOutputs

RESAMPLES = 2000
METRICS = {"chrf": "chrF", "bleu": "BLEU"}
STUDENT, TEACHER, GREEDY = "student", "teacher", "teacher, greedy"
TIMED = "log-probability"
"""The signal whose escalated captions were timed."""


class Route(NamedTuple):
    """A route: by what it decides, its budget, and the teacher that it leads to."""

    signal: str
    budget: str
    to: str = TEACHER


class Study:
    """The outputs of the seeds.

    Attributes:
        seeds: as they are kept.
        seconds: medians by system, and of the teacher over what escalates at each budget.
    """

    def __init__(self, measurements: Measurements) -> None:
        self.seeds = [measurements[name] for name in measurements.parts if name.startswith("seed ")]
        self.seconds: Mapping[str, float] = {
            name: statistics.median(rounds) for name, rounds in measurements["seconds"].items()
        }
        self._teachers = read_statistics(measurements["teachers"]["statistics"])

    @cached_property
    def _students(self) -> dict[str, FloatArray]:
        tables = [read_statistics(seed["statistics"])[STUDENT] for seed in self.seeds]
        return {metric: np.stack([own[metric].rows for own in tables]) for metric in METRICS}

    def rows(self, metric: str, system: str) -> FloatArray:
        """Statistics (seeds, n, k) of a system; a teacher has one seed."""
        return self._students[metric] if system == STUDENT else self._teachers[system][metric].rows[None]

    def routes(self) -> list[Route]:
        """To the teacher by every signal and budget, to the greedy one by one signal."""
        escalated: Mapping[str, Any] = self.seeds[0]["escalated"]
        routes = [Route(signal, budget) for signal, budgets in escalated.items() for budget in budgets]
        return routes + [Route(TIMED, budget, GREEDY) for budget in escalated[TIMED]]

    def escalates(self, route: Route) -> np.ndarray:
        """Which captions (seeds, n) a route sends to the teacher."""
        marked = np.zeros(self._students["chrf"].shape[:2], bool)
        for row, seed in zip(marked, self.seeds, strict=True):
            row[seed["escalated"][route.signal][route.budget]] = True
        return marked

    def mixed_rows(self, metric: str, route: Route) -> FloatArray:
        """Statistics (seeds, n, k) of the students' outputs, with the teacher's where a route says so."""
        marked = self.escalates(route)[..., None]
        return np.where(marked, self.rows(metric, route.to), self.rows(metric, STUDENT))

    def random_rows(self, route: Route) -> FloatArray:
        """Expected statistics (seeds, n, k), in chrF, where as many captions escalate at random."""
        share = self.escalates(route).mean(1)[:, None, None]
        return share * self.rows("chrf", route.to) + (1 - share) * self.rows("chrf", STUDENT)

    def oracle_rows(self, route: Route) -> FloatArray:
        """Statistics (seeds, n, k), in chrF, where the captions escalate that gain most."""
        mixed = []
        for student, marked in zip(self.rows("chrf", STUDENT), self.escalates(route), strict=True):
            rungs = RungOutputs(get_metric("chrf"), student, self.rows("chrf", route.to)[0])
            best = np.zeros(len(marked), bool)
            best[np.argsort(-rungs.gains, kind="stable")[: marked.sum()]] = True
            mixed.append(rungs.mix(best))
        return np.stack(mixed)

    def seconds_of(self, route: Route) -> float:
        """The seconds of student and teacher, in proportion to captions where no such route was timed."""
        share = self.escalates(route).mean()
        if route.to == TEACHER:
            timed = self.escalates(Route(TIMED, route.budget))[0].mean()
            return self.seconds[STUDENT] + self.seconds[f"escalated {route.budget}"] * share / timed
        return self.seconds[STUDENT] + self.seconds[route.to] * share


def _facts(study: Study) -> dict[str, Any]:
    first = study.seeds[0]
    captions = "all 29,000" if first["captions"] is None else f"{first['captions']:,}"
    counts = {"captions": captions, "steps": first["steps"], "seeds": len(study.seeds)}
    return {**counts, "n": len(first["statistics"]["chrf"]["ids"]), "resamples": RESAMPLES}


def _blocks(study: Study) -> list[str]:
    """The systems, then the routes."""
    header = ("seconds", *METRICS.values())
    against = "against the greedy teacher, chrF"
    columns = ("to", "decided by", "budget", "escalated", *header, "gained", "against random, chrF", against)
    return [
        markdown_table(("system", *header, against), _system_rows(study)),
        markdown_table((*columns, "oracle, chrF"), _route_rows(study)),
        "What the routes said of themselves on val, seed by seed:",
        "\n".join(f"- {note}" for s in study.seeds for note in s["notes"] if "-30--fit: area" in note),
    ]


def _result(study: Study) -> str:
    student, teacher, greedy = (_mean("chrf", study.rows("chrf", s)) for s in (STUDENT, TEACHER, GREEDY))
    route = Route(TIMED, "0.3")
    routed = _mean("chrf", study.mixed_rows("chrf", route))
    costs = (study.seconds[STUDENT], study.seconds_of(route), study.seconds[GREEDY])
    cheap, mixed, beamless = (f"{cost / study.seconds[TEACHER]:.0%}" for cost in costs)
    return (
        f"A student at {cheap} of its teacher's seconds has chrF {student:.1f}, not {teacher:.1f}; with 30% "
        f"routed back to the teacher it is {routed:.1f} at {mixed}. The teacher without a beam has "
        f"{greedy:.1f} at {beamless}."
    )


def _system_rows(study: Study) -> list[list[str]]:
    rows = []
    for name in (STUDENT, GREEDY, TEACHER):
        scores = [_score(metric, study.rows(metric, name)) for metric in METRICS]
        test = "" if name == GREEDY else _cell(_against_greedy(study, study.rows("chrf", name)))
        rows.append([name, f"{study.seconds[name]:.1f}", *scores, test])
    return rows


def _route_rows(study: Study) -> list[list[str]]:
    routes = study.routes()
    mixed = [study.mixed_rows("chrf", route) for route in routes]
    chance = [_compare(own, study.random_rows(r)) for own, r in zip(mixed, routes, strict=True)]
    greedy = [_against_greedy(study, own) for own in mixed]
    corrected = [correct_holm([test.p for test in tests]) for tests in (chance, greedy)]
    cheap = _mean("chrf", study.rows("chrf", STUDENT))
    rows = []
    for n, route in enumerate(routes):
        above = _mean("chrf", study.rows("chrf", route.to)) - cheap
        rows.append(
            [
                *(route.to, route.signal, f"{float(route.budget):.0%}"),
                f"{study.escalates(route).mean():.1%}",
                f"{study.seconds_of(route):.1f}",
                *(_score(metric, study.mixed_rows(metric, route)) for metric in METRICS),
                f"{(_mean('chrf', mixed[n]) - cheap) / above:.0%}",
                *(_cell(t[n], p[n]) for t, p in zip((chance, greedy), corrected, strict=True)),
                f"{_mean('chrf', study.oracle_rows(route)):.2f}",
            ]
        )
    return rows


def _against_greedy(study: Study, rows: FloatArray) -> TwoLevelEstimate:
    return _compare(rows, study.rows("chrf", GREEDY), paired=False)


def _compare(system: FloatArray, baseline: FloatArray, *, paired: bool = True) -> TwoLevelEstimate:
    sums = ItemSums(get_metric("chrf").score, system, baseline)
    return two_level_bootstrap(sums, paired_seeds=paired, resamples=RESAMPLES)


def _cell(test: TwoLevelEstimate, p: float | None = None) -> str:
    corrected = "" if p is None else f", p {format_p_value(p)}"
    return f"{test.difference:+.2f}{format_interval(test.interval, ' ({:+.1f} to {:+.1f})')}{corrected}"


def _mean(metric: str, rows: FloatArray) -> float:
    return float(get_metric(metric).score(rows.sum(1)).mean())


def _score(metric: str, rows: FloatArray) -> str:
    """The mean over seeds, and their range."""
    values = get_metric(metric).score(rows.sum(1))
    spread = f" ({values.min():.1f} to {values.max():.1f})" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


PAGES = {
    "students": Page(
        title="Students, and a route back to their teacher",
        question="What does a student with a route back to its teacher cost and give?",
        read=Study,
        facts=_facts,
        result=_result,
        text="""\
**{result}**

The teacher is `packaged:multi30k-en-de` (3+3 layers, beam 5). A student has 3+1 of its layers, learned its
translations of {captions} training captions (sequence level, {steps:,} updates) and translates greedily;
{seeds} trainings that differ in their seed. Routes are learned on val (1,014 captions) for a budget and
applied to test_2016_flickr, on which nothing was chosen, so the share that escalates there is near the
budget, not equal to it. *Log-probability* is the mean of the student's tokens, *predicted gain* a ridge
regression of three numbers of its output. Scores are those of the corpus, means over seeds (and their
range). Differences are on the same captions, with 95% intervals over seeds and captions together
({resamples:,} resamples), p by Holm over the rows of a column. *Against random*: chrF less that of as many
captions that are drawn at random. *Oracle* knows what each caption's chrF gains. *Gained* is the share of
the teacher's chrF above the student's. Seconds are CPU seconds of one thread for the test set, medians of
rounds in one process, of the first seed's student: for all captions, and of the teacher for those that
escalate (those of the greedy teacher and of *predicted gain* in proportion to the captions).

{n:,} of {n:,} captions.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
