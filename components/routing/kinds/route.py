"""``route``: sends each utterance one way, by a label, its fold or a number; ``when:`` takes the ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from typing_extensions import override

from components.errors import ConfigError, DataError
from components.folds import fold_of
from components.nodes.facts import Carry, Facts, Items
from components.nodes.kind import Kind
from components.nodes.measures import measure, measure_all
from components.nodes.node_context import Component, Item, NodeContext
from components.records import Quarantined, Route
from components.routing.kinds.route_settings import ESCALATE, FOLD, KEEP, RouteSettings, describe_number
from components.routing.objective import OBJECTIVES
from components.routing.route_fit import FIT_ROUTE, RouteFit, read_route_fit
from components.run_record import StageRef
from components.storage.stages.reader import count_branches

VERSION = 2
"""Version of the choice of a way."""
MANY = 5
"""Utterances of which a note says that they all went one way; fewer often do."""
LABELS: dict[str, Callable[[Item], str | None]] = {
    "language": lambda item: item.utterance.source_language,
    "domain": lambda item: item.utterance.domain,
}
"""Labels that ``ways`` may be chosen by: the language of the text that is read, the utterance's domain."""
Measure = Callable[[Item], float | None]
"""The number of an item that decides; None where it has none by its nature."""
_NEED_DEV = [name for name in OBJECTIVES if name != "budget"]


def _describe(settings: RouteSettings) -> str:
    """Return the number, its threshold, and what that is learned for."""
    if settings.fitted is not None and not settings.parts:
        return f"as {settings.fitted} has learned"
    limits = [f"{name} {value:g}" for name, value in settings.limits.items()]
    return ", ".join(filter(None, [f"by {describe_number(settings.by)}", *limits, settings.describe()]))


class RouteKind(Kind[RouteSettings]):
    """Gives a way for each utterance of a text, of the data, or of a table of numbers."""

    name = "route"
    summary = "who goes which way, by language, domain, fold, length or a number of the n-best list"
    settings = RouteSettings
    reads = ("speech", "text", "table")
    output = "table"
    items = Items(Carry.INPUTS)
    version = str(VERSION)

    @override
    def facts(self, settings: RouteSettings) -> Facts:
        by_label = settings.by in (*LABELS, FOLD)
        return replace(
            super().facts(settings),
            branches=settings.names,
            numbers=() if settings.fitted or by_label else settings.numbers,
            thresholds={name: (str(settings.by), value) for name, value in settings.limits.items()},
            description=_describe(settings),
        )

    @override
    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Return the nodes of a budget without dev: it is learned from the very utterances that are sent.

        The quantile of its numbers is known when all of them are, so this route waits for what it reads.
        """
        if values.get("fitted") is not None:
            return None
        missing = next((key for key in ("tiers", *_NEED_DEV) if values.get(key)), None)
        if missing is not None:
            raise ConfigError(
                f"{missing}: expected dev: DATA SET (with references) to learn from, or fitted: NODE, found "
                "neither"
            )
        if values.get("budget") is None or values.get("by") in (*LABELS, FOLD) or values.get("branches"):
            return None
        fit = f"{name}--fit"
        keys = ("of", "by", "doubtful", "budget")
        shared: dict[str, Any] = {key: values[key] for key in keys if key in values}
        return {fit: {"kind": FIT_ROUTE, **shared}, name: {**values, "fitted": fit}}

    @override
    def build(self, settings: RouteSettings, context: NodeContext) -> Component:
        """Return the component, with the threshold that was learned."""
        if settings.fitted is not None:
            fit = read_route_fit(context.table_folder("fitted"))
            choose = _choose_by_number(_make_measure(fit), fit.escalates_at)
        elif settings.folds is not None:
            choose = partial(_choose_by_fold, settings.folds)
        elif settings.by in LABELS:
            choose = _choose_by_label(settings)
        else:
            choose = _choose_by_number(partial(measure, str(settings.by)), _is_beyond(settings))

        def route(items: Sequence[Item]) -> list[Route | Quarantined]:
            return [_route(choose, item, context.name) for item in items]

        return route

    @override
    def check_failed(self, settings: RouteSettings, first: Quarantined) -> None:
        """Refuse a number that no text has: its name is wrong, not the texts."""
        raise DataError(f"{first.stage}.by: in every utterance: {first.detail}")

    @override
    def notes(
        self, settings: RouteSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say how many escalate where that was learned, and where a threshold sends all or none."""
        if settings.fitted is None and not settings.limits:
            return []
        n_escalated, n = _count_escalated(ref)
        if settings.fitted is None:
            is_split = n < MANY or 0 < n_escalated < n
            went = f"{ref.stage}: {n_escalated} of {n} went to {ESCALATE} ({_describe(settings)})"
            return [] if is_split else [went]
        share = f" ({n_escalated / n:.0%})" if n else ""
        asked = settings.describe()
        return [
            f"{ref.stage}: {n_escalated} of {n} utterances escalate{share}{'; asked: ' * bool(asked)}{asked}"
        ]


def _route(choose: Callable[[Item], Route], item: Item, node: str) -> Route | Quarantined:
    try:
        return choose(item)
    except DataError as error:
        return Quarantined(
            utterance_id=item.utterance.id, stage=node, reason="no such number", detail=str(error)
        )


def _choose_by_label(settings: RouteSettings) -> Callable[[Item], Route]:
    branches = {label: branch for branch, labels in settings.branches.items() for label in labels}

    def choose(item: Item) -> Route:
        label = LABELS[str(settings.by)](item)
        return Route(utterance_id=item.utterance.id, branch=branches.get(label or "", settings.otherwise))

    return choose


def _choose_by_fold(count: int, item: Item) -> Route:
    branch = f"{FOLD}-{fold_of(item.utterance.id, count)}"
    return Route(utterance_id=item.utterance.id, branch=branch)


def _make_measure(fit: RouteFit) -> Measure:
    """Return how the number of a learned route is measured: as it stands there, or predicted from several."""
    if fit.predictor is None:
        return partial(measure, fit.by)
    from components.routing.gain_predictor import GainPredictor  # noqa: PLC0415 - imports numpy

    predictor = GainPredictor.model_validate(fit.predictor)

    def predict(item: Item) -> float | None:
        return None if item.nbest is None else predictor.predict(measure_all(item))

    return predict


def _choose_by_number(
    measure_item: Measure, escalates_at: Callable[[float | None], bool]
) -> Callable[[Item], Route]:
    def choose(item: Item) -> Route:
        value = measure_item(item)
        branch = ESCALATE if escalates_at(value) else KEEP
        return Route(
            utterance_id=item.utterance.id, branch=branch, value=None if value == float("inf") else value
        )

    return choose


def _is_beyond(settings: RouteSettings) -> Callable[[float | None], bool]:
    low, high = settings.below, settings.above
    return lambda value: (
        value is not None and ((low is not None and value < low) or (high is not None and value > high))
    )


def _count_escalated(ref: StageRef) -> tuple[int, int]:
    """Return how many utterances escalate, and how many have a way."""
    branches = count_branches(ref)
    return branches.get(ESCALATE, 0), sum(branches.values())
