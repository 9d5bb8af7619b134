"""What a route is learned from: the number of each utterance, and what the rungs' outputs are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.metrics.metric import Segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric
from components.nodes.measures import (
    CALIBRATED,
    CONFIDENCE,
    RAW,
    WRONG,
    doubtful_end,
    measure,
    measure_all,
)
from components.nodes.node_context import Item, NodeContext
from components.records import NBest
from components.routing.bad_outputs import BadOutput
from components.routing.kinds.route_settings import FitRouteSettings, describe_number, tiers_of
from components.routing.learning import DevelopmentSet, require_enough
from components.routing.route_fit import TierCosts
from components.routing.rung_outputs import RungOutputs
from components.text.languages import UNDETERMINED


def gather_examples(
    settings: FitRouteSettings, context: NodeContext, items: Sequence[Item]
) -> DevelopmentSet:
    """Return what can be learned from items.

    Those without the number are left out, and those without references where a reference is needed, or where
    others have some.

    Raises:
        DataError: there are none, or the texts have no such number.
    """
    by = _resolve_number(settings.by, items, context)
    numbers = {id(item): _measure(by, item, context) for item in items}
    examples, tiers = [item for item in items if numbers[id(item)]], tiers_of(context)
    if not examples:
        known = next((measure_all(item) for item in items if item.nbest is not None), {})
        has = f"; texts have {', '.join(known)}" if known else ""
        raise DataError(f"expected utterances with {describe_number(by)}, found none{has}")
    guarantee, bad, outputs, predictor = settings.guarantee, None, None, None
    if guarantee is not None:
        examples = _require_scored(examples, guarantee.condition.metric, tiers[0], settings)
    if len(tiers) > 1:
        metric = _name_metric(settings, context)
        if settings.target or settings.by_several or _keep_scored(examples, metric, tiers[0]):
            examples = _require_scored(examples, metric, tiers[0], settings)
            outputs = _rung_outputs(examples, metric, tiers)
    if guarantee is not None:
        bad = _find_bad(examples, guarantee.condition, tiers[0])
    rows = [numbers[id(item)] for item in examples]
    values = np.asarray([next(iter(row.values())) for row in rows], np.float64)
    if outputs is not None and settings.by_several:
        predictor, values = _fit_predictor(rows, outputs, examples, settings.by_several)
    return DevelopmentSet(
        by=describe_number(by),
        doubtful=settings.doubtful_end if by == settings.by else settings.doubtful or doubtful_end(str(by)),
        values=values,
        units=_units(examples)[0],
        outputs=outputs,
        bad=bad,
        costs=_costs(context, tiers, items),
        predictor=predictor,
    )


def _resolve_number(
    by: str | tuple[str, ...], items: Sequence[Item], context: NodeContext
) -> str | tuple[str, ...]:
    """Return which number ``confidence`` is: a calibrated probability only where every text has it."""
    texts = [outcome for item in items if isinstance(outcome := item.inputs.get(context.of[0]), NBest)]
    if by != CONFIDENCE or not texts:
        return by
    estimated = (name for name in (CALIBRATED, WRONG) if all(name in text.best.features for text in texts))
    return next(estimated, RAW)


def _measure(by: str | tuple[str, ...], item: Item, context: NodeContext) -> dict[str, float]:
    """Return the numbers of an item as the route will measure them; empty where it has none."""
    read = {name: outcome for name, outcome in item.inputs.items() if name == context.of[0]}
    read_item = item.model_copy(update={"inputs": read})
    if isinstance(by, tuple):
        numbers = measure_all(read_item)
        return {name: numbers[name] for name in by if name in numbers}
    value = measure(by, read_item)
    return {} if value is None else {by: value}


def _fit_predictor(
    rows: Sequence[dict[str, float]], outputs: RungOutputs, examples: Sequence[Item], by: Sequence[str]
) -> tuple[dict[str, object], FloatArray]:
    from components.routing.gain_predictor import fit_gain_predictor  # noqa: PLC0415 - when it is asked for

    require_enough(len(rows), "by: several")
    absent = [name for name in by if not any(name in row for row in rows)]
    if absent:
        raise DataError(
            f"by: expected numbers that the texts have, found no {', '.join(absent)}; they have "
            f"{', '.join(sorted({name for row in rows for name in row})) or 'none of them'}"
        )
    if not outputs.gains.any():
        raise DataError("expected development utterances in which escalation changes the score, found none")
    ids = [item.utterance.id for item in examples]
    predictor, values = fit_gain_predictor(rows, len(rows) * outputs.gains, ids)
    return predictor.model_dump(mode="json"), values


def _name_metric(settings: FitRouteSettings, context: NodeContext) -> str:
    asked = settings.metric or (settings.target.metric if settings.target else None)
    return asked or ("wer" if context.transcripts else "chrf")


def _require_scored(examples: list[Item], metric: str, tier: str, settings: FitRouteSettings) -> list[Item]:
    scored = _keep_scored(examples, metric, tier)
    if not scored:
        raise DataError(
            f"{settings.parts[0]}: expected development utterances with references that {metric} reads, "
            "found none; give other data, or say metric"
        )
    return scored


def _keep_scored(examples: list[Item], metric: str, tier: str) -> list[Item]:
    """Return the utterances with references that say something."""
    ids = set(get_metric(metric).select(_segments(examples, metric, tier)).ids)
    return [item for item in examples if item.utterance.id in ids]


def _find_bad(examples: Sequence[Item], condition: BadOutput, tier: str) -> NDArray[np.bool_]:
    segments = _segments(examples, condition.metric, tier)
    scores = get_metric(condition.metric).sentence_scores(segments)
    return np.asarray([condition.holds(scores[key]) for key in segments.ids])


def _segments(examples: Sequence[Item], metric: str, tier: str) -> Segments:
    """Return a rung's texts beside what the metric compares them with."""
    is_transcript = get_metric(metric).output == "transcript"
    utterances = [item.utterance for item in examples]
    outcomes = [item.inputs.get(tier) for item in examples]
    return Segments(
        ids=tuple(utterance.id for utterance in utterances),
        hypotheses=tuple(each.best.text if isinstance(each, NBest) else "" for each in outcomes),
        languages=tuple(
            utterance.source_language if is_transcript else utterance.target_language or UNDETERMINED
            for utterance in utterances
        ),
        references=tuple(
            ((utterance.transcript,) if utterance.transcript else ())
            if is_transcript
            else utterance.references
            for utterance in utterances
        ),
    )


def _rung_outputs(examples: Sequence[Item], metric: str, tiers: Sequence[str]) -> RungOutputs:
    scorer = get_metric(metric)
    cheap, expensive = (scorer.statistics(scorer.select(_segments(examples, metric, tier))) for tier in tiers)
    return RungOutputs(scorer, cheap, expensive)


def _units(items: Sequence[Item]) -> tuple[FloatArray, bool]:
    """Return what items cost, relative to each other, and whether these are seconds of audio (or 1)."""
    seconds = [item.utterance.audio.seconds for item in items if item.utterance.audio is not None]
    if len(seconds) < len(items):
        return np.ones(len(items)), False
    return np.asarray(seconds), True


def _costs(context: NodeContext, tiers: Sequence[str], items: Sequence[Item]) -> TierCosts | None:
    """Return the seconds of what runs for every utterance, and of what the expensive rung needs besides."""
    if len(tiers) < 2 or not context.costs:
        return None
    always = {**context.costs[context.of[0]], **context.costs[tiers[0]]}
    besides = {name: cost for name, cost in context.costs[tiers[1]].items() if name not in always}
    units, is_speech = _units(items)
    return TierCosts(
        cheap=sum(always.values()),
        expensive=sum(besides.values()),
        units=float(units.sum()),
        unit="second of audio" if is_speech else "utterance",
    )
