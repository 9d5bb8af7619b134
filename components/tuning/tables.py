"""A search over a pipeline as tables: its front, its tries, and how its winner did on data it never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from components.analysis.formatting import format_estimate
from components.analysis.table import Plot, Table
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.significance import Verdict as TestVerdict
from components.metrics.table import label_of
from components.text.counted_nouns import format_count
from components.tuning.forecast import GainForecast, Verdict
from components.tuning.study import AS_WRITTEN, Confirmation, Study, Try

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FORECAST = "forecast for others"
"""Column of the prediction interval."""
VERDICTS: dict[Verdict, str] = {
    "held": "the forecast held",
    "better": "better than was forecast",
    "worse": "worse than was forecast",
    "not tested": "no forecast is tested: the search data were too few, or showed no change",
}

ADVICE: dict[TestVerdict, str] = {
    "better": "Take the winner",
    "worse": "Keep what you have",
    "too few": "Too few utterances to tell",
}


def describe_value(value: Any) -> str:
    """Return a value of a setting on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def describe_settings(each: Try) -> str:
    """Return what a try set, on one line."""
    if not each.settings:
        return "as written"
    return ", ".join(
        f"{key.removeprefix('nodes.')} {describe_value(value)}" for key, value in each.settings.items()
    )


def describe_try(each: Try, objectives: Sequence[str]) -> str:
    """Return a try that has just been computed, in a line of the log."""
    values = _value_cells(each, objectives)
    what = ", ".join(f"{name} {value}" for name, value in values.items()) or each.reason
    return f"try {each.number} {each.state}: {what}; {describe_settings(each)}"


def _value_cells(each: Try, objectives: Sequence[str]) -> dict[str, str]:
    """Return the values of a try on its last rung, with their intervals."""
    if not each.rungs:
        return {}
    intervals = {score.name: score.interval for score in each.scores}
    return {
        name: format_estimate(
            Estimate(value=value, interval=intervals.get(name)),
            sign=False,
            digits=2 if name in intervals else 4,
        )
        for name, value in zip(objectives, each.values, strict=True)
    }


def _forecast_cells(forecast: GainForecast) -> dict[str, str]:
    """Return what is known of a gain."""
    cells = {}
    if forecast.bound is not None:
        cells["gains at most"] = format_estimate(forecast.bound, digits=1)
    if forecast.gain is not None:
        cells["gain"] = format_estimate(forecast.gain, digits=1)
    if forecast.gain is not None and forecast.low is not None and forecast.high is not None:
        expected = Estimate(value=forecast.gain.value, interval=(forecast.low, forecast.high))
        cells[FORECAST] = format_estimate(expected, digits=1)
    if forecast.seconds is not None:
        cells["seconds for all"] = f"{forecast.seconds:,.0f}"
    return cells


def try_rows(study: Study, tries: Sequence[Try] | None = None) -> Iterator[dict[str, str]]:
    """Yield a row per try, by default of all: what became of it, its values, its settings."""
    front, winner = {each.number for each in study.front}, study.winner.number
    names = [objective.name for objective in study.objectives]
    for each in study.tries if tries is None else tries:
        became: str = each.state
        if each.number == winner:
            became = "winner"
        elif each.number in front:
            became = "front"
        elif each.state == "pruned":
            became = f"pruned at {study.rung_sizes[len(each.rungs) - 1]}"
        row = {"try": str(each.number), "became": became, **_value_cells(each, names)}
        settings = {key.removeprefix("nodes."): describe_value(v) for key, v in each.settings.items()}
        row |= settings or ({"settings": "as written"} if each.number == AS_WRITTEN else {})
        row |= _forecast_cells(each.forecast or GainForecast())
        yield row | ({"reason": each.reason} if each.reason else {})


def summarize(study: Study) -> str:
    """Return the search in a line."""
    states = [each.state for each in study.tries[1:]]
    if study.budget is None and (listed := [each for each in study.tries if each.state == "untried"]):
        gains = [_forecast_cells(each.forecast or GainForecast()).get("gains at most") for each in listed]
        texts = [
            describe_settings(each) + (f" (gains at most {gain})" if gain else "")
            for each, gain in zip(listed, gains, strict=True)
        ]
        return f"not begun; --budget SECONDS tries {', '.join(texts)}"
    named = ("complete", "pruned", "failed", "untried")
    counts = ", ".join(f"{states.count(state)} {state}" for state in named if state in states)
    rungs = " then ".join(map(str, study.rung_sizes))
    repeats = f"; {format_count(study.repeats, 'suggestion')} had been tried before" if study.repeats else ""
    names = " and ".join(objective.name for objective in study.objectives)
    how = f"by {study.sampler}, seed {study.seed}: {counts or 'no other try'}"
    return f"{names} of {rungs} utterances {how}{repeats}{_describe_end(study)}"


def _describe_end(study: Study) -> str:
    """Return what of the tries promises most, and what time there was."""
    spent = "" if study.budget is None else f"; {study.spent:,.0f} of {study.budget:,.0f} seconds"
    best, winner = study.front[0], study.winner
    if winner.number == best.number == AS_WRITTEN and len(study.complete) > 1:
        return f"; no try is better than the pipeline as it is written{spent}"
    if len(study.complete) == 1 and any(each.state == "untried" for each in study.tries):
        return spent
    if len(study.signs) == 1 and winner.number != best.number:
        return f"; {describe_settings(best)} promises most, and no time was left to compute it for all{spent}"
    return spent


def study_tables(study: Study) -> list[Table]:
    """Return the front, if anything was tried, then all tries."""
    note = f"Search over {format_count(len(study.variables), 'setting')}, {summarize(study)}."
    caveat = (
        "No other try is better in everything; intervals are of this data, on which the best were chosen."
    )
    front = Table(
        "Pareto front of the search",
        f"{note} {caveat}",
        tuple(try_rows(study, study.front)),
        list_plots(study),
    )
    tries = Table("Tries", "Values on the last rung that a try finished.", tuple(try_rows(study)))
    return [front, tries] if len(study.complete) > 1 else [tries]


def list_plots(study: Study) -> tuple[Plot, ...]:
    """Return the history of a search, and with two objectives the Pareto front."""

    def draw(name: str) -> Figure:
        from components.tuning import plots  # noqa: PLC0415 - imports matplotlib

        return plots.FIGURES[name](study)

    titles = {"history": "Tries in their order"}
    if len(study.objectives) == 2:
        titles["front"] = "Pareto front"
    return tuple(Plot(name, title, partial(draw, name)) for name, title in titles.items())


def confirmation_rows(confirmation: Confirmation) -> list[dict[str, str]]:
    """Winner and gain on the search data, on the other data, and the difference: what was chance."""
    forecast = confirmation.forecast or GainForecast()
    return [
        {
            "winner": label_of(confirmation.metric),
            "search data": format_estimate(confirmation.search, sign=False),
            "confirmed": format_estimate(confirmation.confirmed, sign=False),
            "optimism": format_estimate(confirmation.optimism),
        },
        {
            "winner": "gain over the pipeline as written",
            "search data": format_estimate(confirmation.search_gain),
            "confirmed": format_estimate(confirmation.confirmed_gain),
            "optimism": format_estimate(confirmation.gain_optimism),
            **{k: v for k, v in _forecast_cells(forecast).items() if k == FORECAST},
        },
    ]


def describe_verdict(confirmation: Confirmation) -> str:
    """Return what the winner gains on data that the search never saw, and whether that was forecast."""
    gain = confirmation.confirmed_gain
    change = f"{format_estimate(gain, digits=1)} {label_of(confirmation.metric)}"
    advice = ADVICE.get(confirmation.tested, "Keep what you have; no significant gain")
    return f"{advice}: {change} on data that the search never saw; {VERDICTS[confirmation.verdict]}"


def describe_confirmation(confirmation: Confirmation) -> str:
    """Return how many utterances, what optimism is, and whether the data were used before."""
    text = (
        f"{confirmation.confirmed.n} of {confirmation.confirmed.n_total} utterances that the search never "
        f"saw, beside {confirmation.search.n} of {confirmation.search.n_total} that it chose on. Optimism: "
        "search minus confirmed, positive where the search promised more; that of the score holds the "
        "difficulty of the data, too, that of the gain does not. The gain: "
        f"{VERDICTS[confirmation.verdict]}."
    )
    if confirmation.earlier:
        names = ", ".join(confirmation.earlier)
        text += f" These data confirmed winners before ({names}): they are no longer unseen."
    return text


def confirmation_table(confirmation: Confirmation) -> Table:
    """Return the winner and gain on both data."""
    return Table(
        "The winner on data that the search never saw",
        f"{describe_confirmation(confirmation)} {confirmation.confirmed.signature}",
        tuple(confirmation_rows(confirmation)),
    )
