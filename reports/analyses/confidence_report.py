"""How good the confidences of a run are, as texts: a table, plots, and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from components.confidence.evaluation.calibration import MIN_BINS, MIN_IN_BIN
from components.confidence.evaluation.outcomes import OUTCOMES, RAW
from components.confidence.evaluation.quality import MEASURES, SignalQuality
from components.metrics.statistics.bootstrap import MIN_UTTERANCES
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.tables import FittingTable, new_table
from reports.views.sections import Section

_IN_REPORT = ("ece", "nce", "auroc", "auroc_gain", "aurc", "eaurc", "kendall", "pearson")
_OF_CLASSES, _OF_AMOUNTS = ("ece", "nce", "auroc", "aurc"), ("aurc", "eaurc", "kendall", "pearson")
"""Measures with a column, in the report and in the terminal; `antiphon confidence --json` has all of them."""
_WIDE = 92
"""Characters of a terminal in which a table of classes stands in columns."""
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
    """A row per node, outcome and signal."""
    for signal in signals:
        row = {
            "node": signal.node,
            "predicts": OUTCOMES[signal.outcome].label,
            "signal": signal.signal,
            "n": _describe_n(signal),
            "overall": _describe_loss(signal),
        }
        measures = {
            label: format_measure(signal, name)
            for name, label in _columns(signals)
            if name in signal.measures
        }
        yield row | measures


def _columns(signals: Sequence[SignalQuality], names: Sequence[str] = _IN_REPORT) -> list[tuple[str, str]]:
    """Measures that any signal has, with their labels: those listed, then those by scores of models."""
    present = dict.fromkeys(name for signal in signals for name in signal.measures)
    listed = [name for name in names if name in present]
    listed += [name for name in present if name not in MEASURES and name.split(" ")[0] in names]
    return [(name, label_measure(name)) for name in listed]


def label_measure(name: str) -> str:
    """The label of a measure; of ``kendall COMET`` it names the score, too."""
    measure, _, score = name.partition(" ")
    return f"{MEASURES[measure]} {score}".rstrip()


def _describe_n(signal: SignalQuality) -> str:
    unit = "words" if signal.outcome == "word" else "utterances"
    return (
        f"{signal.n:,} {unit}" if signal.n == signal.n_total else f"{signal.n:,} of {signal.n_total:,} {unit}"
    )


def _describe_loss(signal: SignalQuality) -> str:
    """How good the texts are: the share that is wrong, the mean WER or chrF."""
    if signal.outcome == "chrf":
        return f"mean chrF of utterances {100 - signal.mean_loss:.1f}"
    if signal.outcome == "wer":
        return f"mean WER of utterances {signal.mean_loss:.1f}"
    return f"{100 * signal.mean_loss:.1f}% wrong"


def format_measure(signal: SignalQuality, name: str) -> str:
    """A measure with its interval, "too few" without a number; areas of WER and chrF are percentages."""
    measure = signal.measures[name]
    if measure is None:
        return "too few"
    is_amount = name in ("aurc", "eaurc") and not OUTCOMES[signal.outcome].is_class
    digits = 1 if is_amount else _DIGITS.get(name, 2)
    return format_estimate(measure, sign=name == "auroc_gain", digits=digits)


def build_sections(signals: Sequence[SignalQuality]) -> list[Section]:
    """A section with the table and the plots; none of a run without estimates."""
    if not signals:
        return []
    from reports.plots.confidence_plots import draw_confidences  # noqa: PLC0415 - imports matplotlib
    from reports.plots.figures import to_data_uri  # noqa: PLC0415 - imports matplotlib

    pictures = tuple((title, to_data_uri(figure)) for _, title, figure in draw_confidences(signals))
    protocol = "; ".join(dict.fromkeys(signal.signature for signal in signals))
    return [Section("Confidence", _note(signals), tuple(build_rows(signals)), pictures, protocol)]


def _note(signals: Sequence[SignalQuality]) -> str:
    few = any(signal.n_utterances < MIN_UTTERANCES for signal in signals)
    intervals = f"Below {MIN_UTTERANCES} utterances there are no intervals." if few else "95% intervals."
    lacks = any(name == "ece" and value is None for each in signals for name, value in each.measures.items())
    unknown = (
        f" ECE too few: too few words or texts in different bins to tell; it takes {MIN_BINS} bins, with "
        f"{MIN_IN_BIN} and more in each."
    )
    return f"{_EXPLANATION} {intervals}{unknown * lacks}"


def print_confidences(signals: Sequence[SignalQuality], console: Console) -> None:
    """Print a table per node and outcome, and what its columns are."""
    for _, group in groupby(signals, key=lambda signal: (signal.node, signal.outcome)):
        of_outcome = list(group)
        first = of_outcome[0]
        head = f"{to_printable(first.node)}: {OUTCOMES[first.outcome].label}"
        facts = f"  {_describe_n(first)}, {_describe_loss(first)}"
        console.print(Text.assemble((head, "bold"), (facts, "dim")))
        console.print(_tabulate(of_outcome, is_wide=console.width >= _WIDE))
    console.print(Text(_note(signals), "dim"))


def _tabulate(signals: Sequence[SignalQuality], *, is_wide: bool) -> FittingTable:
    """The signals of an outcome; intervals stand below their numbers where there is room for columns."""
    names = _OF_CLASSES if OUTCOMES[signals[0].outcome].is_class else _OF_AMOUNTS
    columns = _columns(signals, names)
    table = new_table("signal", ">n", *(f">{label}" for _, label in columns))
    for signal in signals:
        cells = [format_measure(signal, name) if name in signal.measures else "" for name, _ in columns]
        if is_wide:
            cells = [cell.replace(" (", "\n").removesuffix(")") for cell in cells]
        table.add_row(*map(Text, (to_printable(signal.signal), f"{signal.n:,}", *cells)))
    return table
