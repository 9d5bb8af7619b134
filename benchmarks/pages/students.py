"""What does a student cost in quality, and what does a route back to its teacher give back?"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, markdown_table, one_paragraph
from components.metrics.bootstrap import FloatArray, bootstrap_interval, resample_sums
from components.metrics.metric import Segments
from components.metrics.table import get_metric
from components.routing.cost_quality import trace_curve
from components.routing.curve import CostQuality
from components.routing.cuts import find_cuts
from components.routing.rung_outputs import RungOutputs

RESAMPLES = 2000
METRICS = {"chrf": "chrF", "bleu": "BLEU"}
STUDENT, TEACHER, GREEDY = "student", "teacher", "teacher, greedy"
TIMED = "log-probability"
"""The signal whose escalated captions were timed."""
PROTOCOL = """\
The teacher is `packaged:multi30k-en-de` (3+3 layers, beam 5). The student has 3+1 of its layers, learned its
translations of training captions (sequence level; the command below says how many, and the updates) and
translates greedily. One training with one seed: what another seed would give is not in the intervals. Routes
are learned on val (1,014 captions) for a budget and applied to test_2016_flickr, on which nothing was chosen,
so the share that escalates there is near the budget, not equal to it. *Log-probability* is the mean of the
student's tokens, *predicted gain* a ridge regression of three numbers of its output. Scores are those of the
corpus, with the middle 95% of {resamples:,} resamples of captions. *Random* sends as many captions, drawn
1,000 times (mean and 95%); *oracle* knows what each caption's chrF gains. *Gained* is the share of the
teacher's chrF above the student's. Seconds are CPU seconds of one thread for the test set, medians of rounds
in one process: the student for all captions and the teacher for those that escalate (those of the greedy
teacher and of *predicted gain* in proportion to the captions that escalate)."""


class Study(NamedTuple):
    """What the page is written from.

    Attributes:
        outputs: as they are kept.
        seconds: medians by system, and of the teacher over what escalates at each budget.
        tables: metric -> system -> statistics (n, k) of its outputs.
    """

    outputs: Mapping[str, Any]
    seconds: Mapping[str, float]
    tables: Mapping[str, Mapping[str, FloatArray]]

    def escalated(self, route: Route) -> list[int]:
        """Positions of the captions that a route sends to the teacher."""
        positions: list[int] = self.outputs["escalated"][route.signal][route.budget]
        return positions

    def mix(self, metric: str, route: Route) -> FloatArray:
        """Statistics of the student's outputs, with the teacher's where the route says so."""
        mixed, positions = self.tables[metric][STUDENT].copy(), self.escalated(route)
        mixed[positions] = self.tables[metric][route.to][positions]
        return mixed

    def trace(self, to: str) -> CostQuality:
        """Random and oracle routing to a teacher in chrF, at every share; its own order is not used."""
        rungs = (self.tables["chrf"][name] for name in (STUDENT, to))
        order = find_cuts(np.arange(float(len(self.outputs["ids"]))))
        return trace_curve(order, RungOutputs(get_metric("chrf"), *rungs))

    def seconds_of(self, route: Route) -> float:
        """The seconds of student and teacher, in proportion to captions where no such route was timed."""
        n = len(self.escalated(route))
        if route.to == TEACHER:
            timed = len(self.escalated(Route(TIMED, route.budget)))
            return self.seconds[STUDENT] + self.seconds[f"escalated {route.budget}"] * n / timed
        return self.seconds[STUDENT] + self.seconds[route.to] * n / len(self.outputs["ids"])


class Route(NamedTuple):
    """A route: by what it decides, its budget, and the teacher that it leads to."""

    signal: str
    budget: str
    to: str = TEACHER


def page(measurements: Measurements) -> str:
    """The systems, then the routes."""
    study = _study(measurements, METRICS)
    outputs = study.outputs
    systems = [
        [
            name,
            f"{study.seconds[name]:.1f}",
            *(_score(metric, study.tables[metric][name]) for metric in METRICS),
        ]
        for name in (STUDENT, GREEDY, TEACHER)
    ]
    routes = [Route(signal, budget) for signal, of in outputs["escalated"].items() for budget in of]
    routes += [Route(TIMED, budget, GREEDY) for budget in outputs["escalated"][TIMED]]
    curves = {to: study.trace(to) for to in (TEACHER, GREEDY)}
    header = ("seconds", *METRICS.values())
    columns = ("to", "decided by", "budget", "escalated", *header, "gained", "random, chrF", "oracle, chrF")
    return "\n\n".join(
        [
            "# Students, and a route back to their teacher",
            f"**{_result(study)}**",
            one_paragraph(PROTOCOL.format(resamples=RESAMPLES)),
            f"{len(outputs['ids']):,} of {outputs['n_total']:,} captions.",
            markdown_table(("system", *header), systems),
            markdown_table(columns, [_route_row(study, curves[route.to], route) for route in routes]),
            "What the routes said of themselves on val:",
            "\n".join(f"- {note}" for note in outputs["notes"] if "-30--fit: area" in note),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    question = "What does a student with a route back to its teacher cost and give?"
    return question, _result(_study(measurements, ("chrf",)))


def _study(measurements: Measurements, metrics: Iterable[str]) -> Study:
    outputs = measurements["outputs"]
    seconds = {name: statistics.median(rounds) for name, rounds in measurements["seconds"].items()}
    tables = {m: {name: _statistics(m, outputs, name) for name in outputs["texts"]} for m in metrics}
    return Study(outputs, seconds, tables)


def _statistics(metric: str, outputs: Mapping[str, Any], system: str) -> FloatArray:
    texts = outputs["texts"][system]
    segments = Segments(
        ids=tuple(outputs["ids"]),
        hypotheses=tuple(texts),
        languages=("de",) * len(texts),
        references=tuple(map(tuple, outputs["references"])),
    )
    return get_metric(metric).statistics(segments)


def _result(study: Study) -> str:
    student, teacher, greedy = (
        _value("chrf", study.tables["chrf"][name]) for name in (STUDENT, TEACHER, GREEDY)
    )
    route = Route(TIMED, "0.3")
    routed = _value("chrf", study.mix("chrf", route))
    costs = (study.seconds[STUDENT], study.seconds_of(route), study.seconds[GREEDY])
    cheap, mixed, beamless = (f"{cost / study.seconds[TEACHER]:.0%}" for cost in costs)
    return (
        f"A student at {cheap} of its teacher's seconds has chrF {student:.1f}, not {teacher:.1f}; with 30% "
        f"routed back to the teacher it is {routed:.1f} at {mixed}. The teacher without a beam has "
        f"{greedy:.1f} at {beamless}."
    )


def _route_row(study: Study, curve: CostQuality, route: Route) -> list[str]:
    mixed = {metric: study.mix(metric, route) for metric in METRICS}
    share = len(study.escalated(route)) / len(study.outputs["ids"])
    points = [[p.share, p.random, *p.band, p.oracle] for p in curve.points]
    shares, *lines = zip(*points, strict=True)
    random, low, high, oracle = (float(np.interp(share, shares, line)) for line in lines)
    cheap, expensive = curve.ends
    gained = (_value("chrf", mixed["chrf"]) - cheap) / (expensive - cheap)
    return [
        *(
            route.to,
            route.signal,
            f"{float(route.budget):.0%}",
            f"{share:.1%}",
            f"{study.seconds_of(route):.1f}",
        ),
        *(_score(metric, mixed[metric]) for metric in METRICS),
        *(f"{gained:.0%}", f"{random:.2f} ({low:.2f} to {high:.2f})", f"{oracle:.2f}"),
    ]


def _value(metric: str, table: FloatArray) -> float:
    return float(get_metric(metric).score(table.sum(0)))


def _score(metric: str, table: FloatArray) -> str:
    value = _value(metric, table)
    interval = bootstrap_interval(get_metric(metric).score(resample_sums(table, RESAMPLES)), value)
    return f"{value:.2f}{format_interval(interval, ' ({:.1f} to {:.1f})')}"
