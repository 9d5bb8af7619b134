"""What watching found, in sentences, tables and a plot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from components.analysis.table import Link, Plot, Table, link_to_utterance
from components.monitoring.drift.findings import ScoreVerdict, WatchFindings, label_of_signal
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def describe(findings: WatchFindings) -> list[str]:
    """Return what was found, in sentences without a full stop."""
    change, lines = findings.change, list[str]()
    against = f"{findings.n:,} new utterances against {findings.n_accepted:,} of {findings.accepted}"
    if findings.earlier:
        against += f" ({findings.earlier:,} of the new ones were there at earlier looks)"
    if findings.left_out:
        against += f" ({findings.left_out:,} that it or an earlier run has heard are left out)"
    if change is None:
        lines.append(f"No change was found in {against}")
    else:
        row = next(r for r in findings.signals if (r.stage, r.signal) == (change.stage, change.signal))
        since = row.new if row.since is None else row.since
        means = f"{_number(row.accepted)} before, {_number(since)} since"
        lines.append(
            f"Changed first: {to_printable(change.stage)}, {label_of_signal(change.signal)} is "
            f"{change.direction} ({means}), since about utterance {change.onset:,} "
            f"({to_printable(change.onset_id)}); found at {change.alarm:,} by "
            f"{to_printable(change.found_by)}, in {against}"
        )
        if findings.is_known:
            lines.append("An earlier look found it, too: its alarm is not sent again")
    if findings.unwatched:
        names = ", ".join(map(to_printable, findings.unwatched))
        lines.append(f"Not watched, since {to_printable(findings.runs[-1])} lacks them: {names}")
    if findings.score is not None:
        lines.append(describe_score(findings.score))
    elif change is not None and findings.node and findings.proposed:
        lines.append(
            f"Whether it is worse, {len(findings.proposed)} corrected texts of {to_printable(findings.node)} "
            "will say: the list of utterances to correct is beside the report"
        )
    return lines


def describe_score(score: ScoreVerdict) -> str:
    """``By 30 corrected texts of asr: WER 12.1 against 6.1 accepted, +6.0 (95% +2.1 to +10.3): worse``."""
    text = f"By {score.n} corrected texts of {to_printable(score.node)}: WER {score.wer:.1f}"
    if score.difference is not None:
        text += f" against {score.accepted:.1f} accepted, {score.difference:+z.1f}"
    if score.interval is not None:
        low, high = score.interval
        text += f" (95% {low:+z.1f} to {high:+z.1f})"
    return f"{text}: {score.verdict}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def build_tables(findings: WatchFindings) -> list[Table]:
    """Return the signals, and what shows a change best."""
    return [_signal_table(findings), *_example_tables(findings)]


def _signal_table(findings: WatchFindings) -> Table:
    rows = tuple(
        {
            "stage": to_printable(row.stage),
            "signal": label_of_signal(row.signal),
            "accepted": _number(row.accepted),
            "new": _number(row.new),
            "since the change": "" if row.since is None else _number(row.since),
            "evidence": f"{row.evidence:+.1f}",
            "alarm at": "" if row.alarm is None else f"{row.alarm:,}",
        }
        for row in findings.signals
    )
    note = (
        "Means of each signal. Evidence: powers of ten above what gives alarm, the most so far; any false "
        f"alarm ever has a probability of at most {100 * findings.alpha:g}%, however often one looks, as "
        "long as utterances are independent. A stage that changed changes those below it."
    )
    plot = Plot("watch_evidence", "Evidence of a change, stage by stage", partial(_draw, findings))
    protocol = f"conformal test martingales|alpha:{findings.alpha:g} over {len(findings.signals)} signals"
    return Table("Signals", note, rows, (plot,), protocol=protocol)


def _example_tables(findings: WatchFindings) -> list[Table]:
    if findings.change is None:
        return []
    label = label_of_signal(findings.change.signal)
    rows: tuple[Mapping[str, str | Link], ...] = tuple(
        {"utterance": link_to_utterance(each.id), label: _number(each.value), "text": to_printable(each.text)}
        for each in findings.examples
    )
    listed: tuple[Mapping[str, str | Link], ...] = tuple(
        {"utterance": link_to_utterance(key)} for key in findings.proposed
    )
    note = (
        f"Every k-th utterance since the change in the order of the signal: their corrections say what "
        f"{findings.node} loses. antiphon edit RUN {findings.node} --from the file beside this report, then "
        "watch the edited run."
    )
    return [
        Table("What shows the change best", "", rows),
        Table("To correct by hand", note, listed if findings.score is None else ()),
    ]


def _draw(findings: WatchFindings) -> Figure:
    from components.analysis.figures import new_axes, plot_style  # noqa: PLC0415 - imports matplotlib

    with plot_style():
        figure, plot = new_axes(3.2)
        for stage, trace in findings.evidence.items():
            plot.plot(findings.places, trace, label=to_printable(stage)[:24])
        plot.axhline(0, color="#7d8590", linewidth=1, linestyle="--")
        plot.set(xlabel="new utterances", ylabel="evidence above alarm (powers of ten)")
        plot.legend()
    return figure
