"""The analysis ``confidence``: how good the estimates of a run's texts are, where there are references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

from components.analysis.analysis import Analysis, Computed
from components.analysis.formatting import format_estimate
from components.analysis.table import Plot, Sentence, Table
from components.confidence.evaluation import quality
from components.confidence.evaluation.calibration import MIN_BINS, MIN_IN_BIN
from components.confidence.evaluation.outcomes import OUTCOMES, RAW
from components.confidence.evaluation.quality import MEASURES, SignalQuality
from components.confidence.evaluation.scored_texts import is_annotated, read_node_texts
from components.confidence.evaluation.verdict import describe_signals
from components.metrics.normalizers import libraries_of_normalizer
from components.metrics.statistics.bootstrap import MIN_UTTERANCES
from components.pipeline.pipeline import DATA, Pipeline
from components.records import Record
from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("numpy", "rapidfuzz", "sacrebleu", "openai-whisper")
_SHOWN = ("ece", "nce", "auroc", "auroc_gain", "aurc", "eaurc", "kendall", "pearson")
"""Measures with a column; `antiphon measure --json` has all of them."""
_ORDER = ("AURC", "E-AURC", "Kendall", "Pearson")
"""Columns of the second table."""
_DIGITS = {"ece": 3, "aurc": 3, "eaurc": 3}
_EXPLANATION = (
    "ECE: how far confidences are from the share that is right, 0 is best. NCE: what they tell beyond the "
    "share of all that is right, 1 is everything, 0 nothing, below 0 they mislead. AUROC: how well they tell "
    "right from wrong, 0.5 is chance. AURC: mean loss of what is kept when only the surest are, over all "
    "shares; E-AURC: less that of the best order. Kendall and Pearson: correlation with how good utterances "
    f"are (WER or chrF), 1 is best. {RAW.capitalize()} is the raw signal: e to the mean log-probability of "
    "the tokens."
)


def build_rows(signals: Sequence[SignalQuality]) -> Iterator[dict[str, str]]:
    """Yield a row per node, outcome and signal."""
    for signal in signals:
        row = {
            "node": signal.node,
            "predicts": OUTCOMES[signal.outcome].label,
            "signal": signal.signal,
            "of": f"{_describe_n(signal)}, {_describe_loss(signal)}",
        }
        measures = {
            label: format_measure(signal, name)
            for name, label in _columns(signals)
            if name in signal.measures
        }
        yield row | measures


def _columns(signals: Sequence[SignalQuality]) -> list[tuple[str, str]]:
    """Measures that any signal has, with their labels: those listed, then those by scores of models."""
    present = dict.fromkeys(name for signal in signals for name in signal.measures)
    listed = [name for name in _SHOWN if name in present]
    listed += [name for name in present if name not in MEASURES and name.split(" ")[0] in _SHOWN]
    return [(name, label_measure(name)) for name in listed]


def label_measure(name: str) -> str:
    """Return the label of a measure; of ``kendall COMET`` it names the score, too."""
    measure, _, score = name.partition(" ")
    return f"{MEASURES[measure]} {score}".rstrip()


def _describe_n(signal: SignalQuality) -> str:
    unit = "words" if signal.outcome == "word" else "utterances"
    return (
        f"{signal.n:,} {unit}" if signal.n == signal.n_total else f"{signal.n:,} of {signal.n_total:,} {unit}"
    )


def _describe_loss(signal: SignalQuality) -> str:
    """Return how good the texts are: the share that is wrong, the mean WER or chrF."""
    if signal.outcome == "chrf":
        return f"mean chrF of utterances {100 - signal.mean_loss:.1f}"
    if signal.outcome == "wer":
        return f"mean WER of utterances {signal.mean_loss:.1f}"
    return f"{100 * signal.mean_loss:.1f}% wrong"


def format_measure(signal: SignalQuality, name: str) -> str:
    """Format a measure with its interval, "too few" without a number; areas of WER and chrF in percent."""
    measure = signal.measures[name]
    if measure is None:
        return "too few"
    is_amount = name in ("aurc", "eaurc") and not OUTCOMES[signal.outcome].is_class
    digits = 1 if is_amount else _DIGITS.get(name, 2)
    return format_estimate(measure, sign=name == "auroc_gain", digits=digits)


def build_tables(signals: Sequence[SignalQuality]) -> list[Table]:
    """Return a table with its plots; none of a run without estimates."""
    if not signals:
        return []
    protocol = "; ".join(dict.fromkeys(signal.signature for signal in signals))
    plots = tuple(_list_plots(signals))
    rows = tuple(build_rows(signals))
    names = [label for _, label in _columns(signals)]
    ranked = [name for name in names if name.startswith(_ORDER)]
    head = ("node", "predicts", "signal")
    first = (*head, "of", *(name for name in names if name not in ranked))
    tables = [Table("Confidence", _note(signals), rows, plots, protocol=protocol, columns=first)]
    if ranked:
        note = "What is lost when only the surest are kept, and correlation with WER or chrF."
        tables.append(Table("Confidence: order", note, rows, columns=(*head, *ranked)))
    return tables


def _list_plots(signals: Sequence[SignalQuality]) -> Iterator[Plot]:
    """Return the plots of every node and outcome."""

    def draw(name: str, of_outcome: Sequence[SignalQuality]) -> Figure:
        from components.confidence.evaluation import plots  # noqa: PLC0415 - imports matplotlib

        return plots.FIGURES[name](of_outcome)

    for (node, outcome), group in groupby(signals, key=lambda signal: (signal.node, signal.outcome)):
        of_outcome = list(group)
        where = f"{to_printable(node)[:40]}: {OUTCOMES[outcome].label}"
        if any(signal.reliability for signal in of_outcome):
            drawn = partial(draw, "reliability", of_outcome)
            yield Plot(f"reliability_{node}_{outcome}", f"Reliability, {where}", drawn)
        drawn = partial(draw, "risk_coverage", of_outcome)
        yield Plot(f"risk_coverage_{node}_{outcome}", f"Risk over coverage, {where}", drawn)


def _note(signals: Sequence[SignalQuality]) -> str:
    few = any(signal.n_utterances < MIN_UTTERANCES for signal in signals)
    intervals = f"Below {MIN_UTTERANCES} utterances there are no intervals." if few else "95% intervals."
    lacks = any(name == "ece" and value is None for each in signals for name, value in each.measures.items())
    unknown = (
        f" ECE too few: too few words or texts in different bins to tell; it takes {MIN_BINS} bins, with "
        f"{MIN_IN_BIN} and more in each."
    )
    return f"{_EXPLANATION} {intervals}{unknown * lacks}"


class Signals(Record):
    """How good the signals of a run's texts are."""

    signals: tuple[SignalQuality, ...]


class ConfidenceRequest(NamedTuple):
    """What confidences are measured of.

    Attributes:
        run: so far; its nodes, its data and the sentence scores of models are finished.
        estimated: the stages whose texts have estimates.
        normalizer: that transcripts are counted under.
    """

    run: RunRecord
    estimated: Sequence[StageRef]
    normalizer: str


class ConfidenceAnalysis(Analysis[ConfidenceRequest, Signals]):
    """How good the confidences of texts are, against their references."""

    kind, file, record = "confidence", "confidence.json", Signals
    noun = "the quality of a confidence"

    @override
    def request_of(
        self, run: RunRecord, pipeline: Pipeline, store: Store, normalizer: str
    ) -> ConfidenceRequest | None:
        if not run.metrics:  # before anything is read
            return None
        texts = {node.name for node in run.pipeline.of_data() if node.output == "text"}
        estimated = [ref for ref in run.stages if ref.stage in texts and is_annotated(ref)]
        return ConfidenceRequest(run, estimated, normalizer) if estimated else None

    @override
    def plan(self, request: ConfidenceRequest, store: Store) -> StagePlan:
        run, names = request.run, {DATA, *(ref.stage for ref in request.estimated)}
        read = [ref for ref in run.stages if ref.stage in names or ref.kind == "sentence_scores"]
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{self.kind}/{quality.VERSION}",
            parameters={
                "target_language": run.parameters.get("target_language"),
                "normalizer": request.normalizer,
                "nodes": [ref.stage for ref in request.estimated],
            },
            upstream={ref.stage: content_of(ref) for ref in read},
            libraries=library_versions((*LIBRARIES, *libraries_of_normalizer(request.normalizer))),
        )

    @override
    def compute(self, request: ConfidenceRequest, store: Store, folder: Path) -> Computed[Signals]:
        names = {ref.stage for ref in request.estimated}
        signals = tuple(
            row
            for node in read_node_texts(request.run, store.backend.url, names)
            for row in quality.measure_quality(
                node.node,
                node.texts,
                node.output,
                request.normalizer,
                node.further,
                node.bad_below,
                estimated_only=True,
            )
        )
        return Computed(Signals(signals=signals), len(signals))

    @override
    def verdict(self, findings: Signals) -> list[Sentence]:
        return describe_signals(findings.signals)

    @override
    def tables(self, findings: Signals) -> list[Table]:
        return build_tables(findings.signals)


CONFIDENCE = ConfidenceAnalysis()
