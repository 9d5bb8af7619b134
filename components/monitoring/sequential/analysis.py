"""The analysis ``sequential``: finished runs compared by tests that may be looked at as data grow."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed, Event
from components.analysis.formatting import format_estimate, format_p_value
from components.analysis.table import Plot, Sentence, Table
from components.comparison.analysis import COMPARISON, QUALITY_DROPPED, ComparisonRequest, target_languages
from components.comparison.ranking import choose_ranking
from components.comparison.stated_comparisons import list_stated
from components.comparison.systems import system_of
from components.comparison.tabulation import tabulate
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.table import label_of
from components.monitoring.sequential.sequential_test import ALPHA, SequentialTest, compare_sequentially
from components.records import Record
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSION = "sequential/1"
_COLORS = ("#3d83d6", "#d6803d", "#3da35d", "#9a4fc0")
NOTE = (
    "Confidence sequences: interval and verdict hold at every look together at {level:.0%}, so they may be "
    "looked at each night as the data grow, in the order in which utterances came; the tests above are for "
    "one look. Betting on pseudo-values of the corpus score (Waudby-Smith and Ramdas 2024)."
)


class SequentialRequest(NamedTuple):
    """What is compared, and below which difference in points it does not matter."""

    comparison: ComparisonRequest
    margin: float | None = None


class SequentialTests(Record):
    """The stated comparisons, tested at every look."""

    tests: tuple[SequentialTest, ...]


class SequentialAnalysis(Analysis[SequentialRequest, SequentialTests]):
    """Which system is better, or as good, decided as soon as the utterances allow it."""

    kind, file, record = "sequential", "sequential.json", SequentialTests
    noun, remedy = "a sequential test", "compare the runs again"

    @override
    def plan(self, request: SequentialRequest, store: Store) -> StagePlan:
        plan = COMPARISON.plan(request.comparison, store)
        parameters = {**plan.parameters, "margin": request.margin, "alpha": ALPHA}
        update = {
            "stage": self.kind,
            "kind": self.kind,
            "version": f"{VERSION} {plan.version}",
            "parameters": parameters,
        }
        return plan.model_copy(update=update)

    @override
    def compute(self, request: SequentialRequest, store: Store, folder: Path) -> Computed[SequentialTests]:
        of = request.comparison
        tables = tabulate(
            of.utterances,
            [system_of(name, run, store, of.settings.price_per_hour) for name, run in of.runs.items()],
            of.settings,
            language=target_languages(of.utterances, of.runs),
            source_language={utterance.id: utterance.source_language for utterance in of.utterances},
            bind=lambda name: of.bind(name, store),
            scores=of.scores,
        )
        ranking = choose_ranking(of.settings, tables.tables[tables.baseline])
        pairs = list_stated(tables.tables, tables.baseline, ranking, of.settings)
        tests = tuple(
            compare_sequentially(
                tables.tables[pair.system][pair.metric],
                tables.tables[pair.versus][pair.metric],
                (pair.system, pair.versus),
                request.margin,
                ALPHA / len(pairs),
            )
            for pair in pairs
        )
        return Computed(SequentialTests(tests=tests), max((test.n for test in tests), default=0))

    @override
    def tables(self, findings: SequentialTests) -> list[Table]:
        if not findings.tests:
            return []
        signatures = dict.fromkeys(f"{label_of(test.metric)} {test.signature}" for test in findings.tests)
        plots = (Plot("confidence_sequences", "Difference as utterances come", partial(_draw, findings)),)
        rows = tuple(map(_row, findings.tests))
        note = NOTE.format(level=1 - ALPHA)
        return [Table("Sequential test", note, rows, plots, protocol="; ".join(signatures))]

    @override
    def verdict(self, findings: SequentialTests) -> list[Sentence]:
        return [Sentence(f"{line}.") for line in map(describe, findings.tests)]

    @override
    def events(self, findings: SequentialTests) -> list[Event]:
        return [
            Event(QUALITY_DROPPED, f"system.{test.system}", test.system, _payload(test))
            for test in findings.tests
            if test.verdict == "worse"
        ]


SEQUENTIAL = SequentialAnalysis()


def _payload(test: SequentialTest) -> dict[str, object]:
    """Return what a notification says, as of the test for one look."""
    values = test.model_dump(mode="json", exclude={"looks"})
    return {**values, "value": test.difference, "baseline_value": 0.0, "p_holm": test.p}


def describe(test: SequentialTest) -> str:
    """Return ``new is worse than old by 0.8 BLEU (0.1 to 1.5), decided after 425 of 1,000 utterances``."""
    label = label_of(test.metric)
    interval = format_estimate(Estimate(value=test.difference, interval=test.interval))
    than = f"{to_printable(test.system)} against {to_printable(test.baseline)}: {label} {interval}"
    return f"{than} at every look: {describe_decision(test)}"


def describe_decision(test: SequentialTest) -> str:
    """Return the verdict with when it fell, or what it would still take."""
    margin = f"{test.margin:g} {label_of(test.metric)}" if test.margin is not None else ""
    words = {
        "equivalent": f"equivalent within {margin}",
        "not worse": f"not worse by more than {margin}",
        "undecided": "undecided",
        "too few": "too few utterances to tell",
    }
    text = words.get(test.verdict, test.verdict)
    if test.decided is not None:
        return f"{text}, first decided after {test.decided:,} of {test.n:,} utterances"
    if test.further is not None:
        return f"{text}; about {test.further:,} further utterances like these would decide"
    return text


def _row(test: SequentialTest) -> dict[str, str]:
    return {
        "system": to_printable(test.system),
        "against": to_printable(test.baseline),
        "metric": label_of(test.metric),
        "difference": format_estimate(Estimate(value=test.difference, interval=test.interval)),
        "p at any look": format_p_value(test.p),
        "verdict": describe_decision(test),
        "beyond range": str(test.clipped),
    }


def _draw(findings: SequentialTests) -> Figure:
    from components.analysis.figures import new_axes, plot_style  # noqa: PLC0415 - imports matplotlib

    with plot_style():
        figure, plot = new_axes(3.2)
        for test, color in zip(findings.tests, cycle(_COLORS), strict=False):
            x = [look.n for look in test.looks]
            low, high = zip(*(look.interval for look in test.looks), strict=True)
            plot.fill_between(x, low, high, color=color, alpha=0.3, label=to_printable(test.system)[:24])
        margin = findings.tests[0].margin or 0.0
        for level in {0.0, margin, -margin}:
            plot.axhline(level, color="#7d8590", linewidth=1, linestyle="-" if level == 0 else "--")
        plot.set(xlabel="utterances", ylabel=f"difference in {label_of(findings.tests[0].metric)}")
        plot.legend()
    return figure
