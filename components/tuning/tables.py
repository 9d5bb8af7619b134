"""A search over a pipeline as tables: its front, its tries, and how its winner did on data it never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from components.analysis.formatting import format_estimate
from components.analysis.table import Plot, Table
from components.metrics.statistics.bootstrap import Estimate
from components.text.counted_nouns import format_count
from components.tuning.study import AS_WRITTEN, Confirmation, Study, Try

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        yield row | ({"reason": each.reason} if each.reason else {})


def summarize(study: Study) -> str:
    """Return the search in a line."""
    states = [each.state for each in study.tries[1:]]
    counts = ", ".join(f"{states.count(s)} {s}" for s in ("complete", "pruned", "failed") if s in states)
    rungs = " then ".join(map(str, study.rung_sizes))
    repeats = f"; {format_count(study.repeats, 'suggestion')} had been tried before" if study.repeats else ""
    names = " and ".join(objective.name for objective in study.objectives)
    how = f"by {study.sampler}, seed {study.seed}: {counts or 'no other try'}"
    return f"{names} of {rungs} utterances {how}{repeats}"


def study_tables(study: Study) -> list[Table]:
    """Return the front, then all tries."""
    note = f"Search over {len(study.variables)} settings, {summarize(study)}."
    caveat = (
        "No other try is better in everything; intervals are of this data, on which the best were chosen."
    )
    return [
        Table(
            "Pareto front of the search",
            f"{note} {caveat}",
            tuple(try_rows(study, study.front)),
            list_plots(study),
        ),
        Table("Tries", "Values on the last rung that a try finished.", tuple(try_rows(study))),
    ]


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

    def scored(score: Any) -> str:
        return format_estimate(Estimate(value=score.value, interval=score.interval), sign=False)

    return [
        {
            "winner": confirmation.metric,
            "search data": scored(confirmation.search),
            "confirmed": scored(confirmation.confirmed),
            "optimism": format_estimate(confirmation.optimism),
        },
        {
            "winner": "gain over the pipeline as written",
            "search data": format_estimate(confirmation.search_gain),
            "confirmed": format_estimate(confirmation.confirmed_gain),
            "optimism": format_estimate(confirmation.gain_optimism),
        },
    ]


def describe_confirmation(confirmation: Confirmation) -> str:
    """Return how many utterances, what optimism is, and whether the data were used before."""
    text = (
        f"{confirmation.confirmed.n} of {confirmation.confirmed.n_total} utterances that the search never "
        f"saw, beside {confirmation.search.n} of {confirmation.search.n_total} that it chose on. Optimism: "
        "search minus confirmed, positive where the search promised more; that of the score holds the "
        "difficulty of the data, too, that of the gain does not."
    )
    if confirmation.earlier:
        names = ", ".join(confirmation.earlier)
        text += f" These data confirmed winners before ({names}): they are no longer unseen."
    return text


def confirmation_table(confirmation: Confirmation) -> Table:
    """Winner and gain on both data."""
    return Table(
        "The winner on data that the search never saw",
        f"{describe_confirmation(confirmation)} {confirmation.confirmed.signature}",
        tuple(confirmation_rows(confirmation)),
    )
