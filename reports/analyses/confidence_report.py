"""How good the confidences of a run are, as texts: a table, plots, and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from components.confidence.evaluation.outcomes import OUTCOMES, RAW
from components.confidence.evaluation.quality import MEASURES, SignalQuality
from components.metrics.bootstrap import MIN_UTTERANCES
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.tables import new_table
from reports.views.sections import Section

_IN_TABLE = ("ece", "nce", "auroc", "auroc_gain", "aurc", "eaurc", "kendall", "pearson")
"""Measures with a column; Brier and AUPRC are in `antiphon confidence --json`."""
_DIGITS = {"ece": 3, "aurc": 3, "eaurc": 3}
_EXPLANATION = (
    "ECE: how far confidences are from the share that is right, 0 is best. NCE: what they tell beyond the "
    "share of all that is right, 1 is everything, 0 nothing, below 0 they mislead. AUROC: how well they tell "
    "right from wrong, 0.5 is chance. AURC: mean loss of what is kept when only the surest are, over all shares; "
    "E-AURC: less that of the best order. Kendall and Pearson: correlation with how good utterances are (WER or "
    f"chrF), 1 is best. {RAW.capitalize()} is the raw signal: e to the mean log-probability of the tokens."
)


def build_rows(signals: Sequence[SignalQuality]) -> Iterator[dict[str, str]]:
    """A row per node, outcome and signal."""
    for signal in signals:
        unit = "words" if signal.outcome == "word" else "utterances"
        row = {
            "node": signal.node,
            "predicts": OUTCOMES[signal.outcome].label,
            "signal": signal.signal,
            "n": f"{signal.n:,} of {signal.n_total:,} {unit}",
            "loss": _format_loss(signal),
        }
        for name, label in _columns(signals):
            if name in signal.measures:
                row[label] = _format_measure(signal, name)
        yield row


def _columns(signals: Sequence[SignalQuality]) -> list[tuple[str, str]]:
    """Measures that any signal has: those of the table, then correlations with scores of models."""
    names = dict.fromkeys(name for signal in signals for name in signal.measures)
    known = [(name, MEASURES[name]) for name in _IN_TABLE if name in names]
    further = [(n, f"{MEASURES[n.split(' ')[0]]} {n.partition(' ')[2]}") for n in names if n not in MEASURES]
    return known + further


def _format_loss(signal: SignalQuality) -> str:
    """What the mean loss is: a share that is wrong, a WER, or points that a chrF lacks to 100."""
    if not OUTCOMES[signal.outcome].is_class:
        return f"{signal.mean_loss:.1f}"
    return f"{100 * signal.mean_loss:.1f}%"


def _format_measure(signal: SignalQuality, name: str) -> str:
    is_amount = name in ("aurc", "eaurc") and not OUTCOMES[signal.outcome].is_class
    digits = 1 if is_amount else _DIGITS.get(name, 2)
    return format_estimate(signal.measures[name], sign=name == "auroc_gain", digits=digits)


def build_sections(signals: Sequence[SignalQuality]) -> list[Section]:
    """A section with the table and the plots; none of a run without estimates."""
    if not signals:
        return []
    from reports.plots.confidence_plots import draw_confidences  # noqa: PLC0415 - imports matplotlib
    from reports.plots.run_plots import to_data_uri  # noqa: PLC0415 - imports matplotlib

    pictures = tuple((title, to_data_uri(figure)) for _, title, figure in draw_confidences(signals))
    protocol = "; ".join(dict.fromkeys(signal.signature for signal in signals))
    return [Section("Confidence", _note(signals), tuple(build_rows(signals)), pictures, protocol)]


def _note(signals: Sequence[SignalQuality]) -> str:
    few = any(signal.n_utterances < MIN_UTTERANCES for signal in signals)
    intervals = f"Below {MIN_UTTERANCES} utterances there are no intervals." if few else "95% intervals."
    return f"{_EXPLANATION} {intervals}"


def print_confidences(signals: Sequence[SignalQuality], console: Console) -> None:
    """Print the table, and what its columns are."""
    rows = list(build_rows(signals))
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = ("node", "predicts", "signal")
    table = new_table(*(name if name in texts else f">{name}" for name in names))
    for row in rows:
        table.add_row(*(Text(to_printable(row.get(name, ""))) for name in names))
    console.print(table)
    console.print(Text(_note(signals), "dim"))
