"""A design as tables: the front, what each step along it buys, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from components.analysis.formatting import format_bytes, format_duration, format_estimate, format_seconds
from components.analysis.table import Plot, Table
from components.design.goal import LimitTest
from components.design.study import STATES, CandidateRecord, Design
from components.run_record import Score
from components.text.counted_nouns import format_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = {
    "seconds": "seconds an utterance",
    "seconds_per_hour": "seconds an hour of audio",
    "price": "price",
}
"""Names of costs for people."""


def recommend(design: Design) -> str:
    """Return the recommendation in a sentence."""
    if design.recommended is None:
        return f"No system: {design.reason}."
    return f"Take {design.candidate(design.recommended).name}: {design.reason}."


def summarize(design: Design) -> str:
    """Return the design in a line."""
    states = [each.state for each in design.candidates]
    counts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
    rungs = " then ".join(map(str, design.rung_sizes))
    budget = "" if design.budget is None else f" of {format_duration(design.budget)}"
    return (
        f"{format_count(len(states), 'candidate')} ({counts}) on {rungs} utterances in "
        f"{format_duration(design.spent)}{budget} of computing; front on {design.n_confirm} others"
    )


def _score(score: Score | None) -> str:
    return "" if score is None else format_estimate(score, sign=False)


def _limits(tests: tuple[LimitTest, ...]) -> str:
    words = {True: "keeps", None: "may break", False: "breaks"}
    told = {word: [str(test) for test in tests if test.keeps is keeps] for keeps, word in words.items()}
    return "; ".join(f"{word} {', '.join(limits)}" for word, limits in told.items() if limits)


def _row(design: Design, each: CandidateRecord) -> dict[str, str]:
    row = {"system": each.name, "became": each.state, design.metric: _score(each.score)}
    if each.costs is not None:
        cost = getattr(each.costs, design.cost)
        row[COSTS[design.cost]] = f"{cost:.3g}"
        if each.costs.p95 is not None:
            row["p95"] = format_seconds(each.costs.p95)
        row["memory"] = format_bytes(round(each.costs.memory or 0))
    if each.limits:
        row["limits"] = _limits(each.limits)
    return row


def _front_rows(design: Design) -> Iterator[dict[str, str]]:
    steps = {step.dearer: step for step in design.steps}
    for number in design.front:
        row = _row(design, design.candidate(number))
        row["became"] = "recommended" if number == design.recommended else "front"
        if number in steps:
            step = steps[number]
            row["over the one before"] = f"{format_estimate(step.gain)} for {step.factor:.3g} times the cost"
        yield row


def _other_rows(design: Design) -> Iterator[dict[str, str]]:
    for each in design.candidates:
        if each.state != "front":
            row = _row(design, each)
            if each.score is None and each.rungs:
                row["on search data"] = f"{each.rungs[-1][0]:.2f} of {design.rung_sizes[len(each.rungs) - 1]}"
            yield row | {"why not": each.reason or STATES[each.state]}


def margin_note(design: Design) -> str:
    """Return what the front promises; nothing where nothing is on it."""
    if not design.front:
        return ""
    stated = "asked for" if design.margin_is_stated else "the least that these data allow"
    text = (
        "With 95% for all systems together, none that costs no more is better than one of the front by "
        f"more than {design.margin:.2f} {design.metric} ({stated})."
    )
    if design.detectable is not None:
        text += f" {design.n_confirm} utterances tell differences from {design.detectable:.2f} apart."
    if design.optimism is not None:
        text += (
            f" On the search data these scores were {design.optimism.value:+z.2f} better: the optimism of "
            "the search, and how much easier those data are."
        )
    return text


def buy_note(design: Design) -> str:
    """Return what the next model to buy or to train would have to bring."""
    if design.recommended is None or design.detectable is None:
        return ""
    each = design.candidate(design.recommended)
    assert each.score is not None and each.costs is not None
    sign = 1 if design.higher_is_better else -1
    goal = each.score.value + sign * design.detectable
    cost = getattr(each.costs, design.cost)
    return (
        "The next model: to take the place of the recommended system it has to bring "
        f"{design.metric} {goal:.1f} at {cost:.3g} {COSTS[design.cost]}, or the same score at less; smaller "
        "differences these data do not show."
    )


def design_tables(design: Design) -> list[Table]:
    """Return the front, then all other candidates."""
    notes = (design.caution, recommend(design), margin_note(design), buy_note(design), *design.notes)
    front = Table(
        "Systems worth having",
        " ".join(filter(None, notes)),
        tuple(_front_rows(design)),
        (Plot("design-front", "Score and cost", partial(_draw, design)),) if design.front else (),
        protocol=next((s.signature for c in design.candidates if (s := c.score) is not None), ""),
    )
    return [front, Table("The others", summarize(design), tuple(_other_rows(design)))]


def _draw(design: Design) -> Figure:
    from components.design.plots import draw_front  # noqa: PLC0415 - imports matplotlib

    return draw_front(design)


def _why(design: Design, each: CandidateRecord) -> str:
    if each.number == design.recommended:
        return recommend(design)
    step = next((step for step in design.steps if step.dearer == each.number), None)
    if step is not None:
        cheaper = design.candidate(step.cheaper).name
        return f"{format_estimate(step.gain)} over {cheaper} for {step.factor:.3g} times the cost"
    return each.reason or STATES[each.state]


def explain(design: Design, name: str | None = None) -> list[str]:
    """Return why systems are not on the front, a line each; of all, or of those whose name holds a text."""
    lines = []
    for each in design.candidates:
        if name is None or name.casefold() in each.name.casefold():
            lines.append(f"{each.name}: {each.state}; {_why(design, each)}")
    return [*filter(None, [design.caution]), *lines, *filter(None, [buy_note(design)])]
