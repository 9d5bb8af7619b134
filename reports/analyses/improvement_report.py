"""Remedies of a run as texts: rows of a table, a sentence, the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from components.improvement.forecast import Attempt, Improvement, Verdict
from components.metrics.table import label_of
from reports.analyses.attribution_report import format_estimate
from reports.escaping import to_printable
from reports.terminal.tables import new_table

_STATUS = {"missing": "cannot be had", "untried": "not tried", "tried": "tried", "run": "run"}
_VERDICT: dict[Verdict, str] = {
    "held": "the forecast held",
    "better": "better than was forecast",
    "worse": "worse than was forecast",
    "not tested": "no forecast is tested, as the probe was all there is, or too small for one",
}


def build_rows(improvement: Improvement) -> Iterator[dict[str, str]]:
    """A row per remedy, those that were tried first, by their forecast."""
    for attempt in sorted(improvement.attempts, key=_forecast_gain, reverse=True):
        cells = {
            "remedy": attempt.remedy,
            "mends": attempt.mends,
            "gains at most": "" if attempt.bound is None else format_estimate(attempt.bound, digits=1),
        }
        if attempt.forecast is not None:
            forecast = attempt.forecast
            cells["on the probe"] = format_estimate(forecast.gain, digits=1)
            if forecast.low is not None and forecast.high is not None:
                cells["forecast for the others"] = f"{forecast.low:+.1f} to {forecast.high:+.1f}"
        seconds = attempt.seconds if attempt.forecast is None else attempt.forecast.seconds
        if seconds is not None:
            cells["seconds"] = f"{seconds:,.0f}"
        what = _STATUS[attempt.status]
        yield cells | {"": f"{what}: {attempt.missing}" if attempt.missing else what}


def _forecast_gain(attempt: Attempt) -> float:
    return float("-inf") if attempt.forecast is None else attempt.forecast.gain.value


def summarize(improvement: Improvement) -> str:
    """What came of it, in a line."""
    name = label_of(improvement.metric)
    score = f"{name} {improvement.score.value:.1f} as it is"
    if improvement.budget is None:
        return f"{score}; nothing was tried: say budget"
    spent = f"{improvement.spent:,.0f} of {improvement.budget:,.0f} seconds"
    best = next((attempt.remedy for attempt in improvement.attempts if attempt.status == "run"), None)
    if best is None or improvement.improved is None or improvement.verdict is None:
        most = max(improvement.attempts, key=_forecast_gain, default=None)
        if most is None or _forecast_gain(most) <= 0:
            return f"{score}; nothing that was tried promises a gain; {spent}"
        return f"{score}; {most.remedy} promises most, and no time was left to run it; {spent}"
    gain = "" if improvement.gain is None else f"{format_estimate(improvement.gain, digits=1)} elsewhere: "
    verdict = _VERDICT[improvement.verdict]
    return f"{score}, {improvement.improved.value:.1f} with {best}; {gain}{verdict}; {spent}"


def _note(improvement: Improvement) -> str:
    probe = f"; tried on {improvement.probe} of {improvement.n} utterances" if improvement.probe else ""
    return f"{summarize(improvement)}{probe}. {improvement.signature}"


def build_tables(improvement: Improvement) -> dict[str, object]:
    """The content of the stage's ``tables.json``: one section of a report."""
    rows = list(build_rows(improvement))
    return {"tables": [{"title": "Remedies", "note": _note(improvement), "rows": rows}]}


def print_improvement(improvement: Improvement, console: Console) -> None:
    """Print the table under its summary."""
    console.print(Text(to_printable(summarize(improvement)), "bold"))
    rows = list(build_rows(improvement))
    columns = list(dict.fromkeys(name for row in rows for name in row if name))
    listed = new_table(
        *(name if name in ("remedy", "mends") else f">{name}" for name in columns), "what became of it"
    )
    for row in rows:
        listed.add_row(*(Text(to_printable(row.get(name, ""))) for name in (*columns, "")))
    console.print(listed)
    console.print(Text(to_printable(_note(improvement)), "dim"))
