"""What a route is learned from: the number of each utterance, and what the rungs' outputs are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import DataError
from components.languages import UNDETERMINED
from components.metrics.bootstrap import FloatArray
from components.metrics.metric import Segments
from components.metrics.table import get_metric
from components.nodes.kind import Item, Site
from components.nodes.measures import CALIBRATED, CONFIDENCE, RAW, measure
from components.nodes.route_settings import TrainRouteSettings, rungs_of
from components.records import NBest, Utterance
from components.routing.learning import DevelopmentSet
from components.routing.route_fit import RungCosts
from components.routing.rung_outputs import RungOutputs


@dataclass(frozen=True)
class Example:
    """An utterance with the number that decides."""

    item: Item
    value: float


def gather_examples(settings: TrainRouteSettings, site: Site, items: Sequence[Item]) -> DevelopmentSet:
    """Return the examples among items.

    Those without the number are left out, and those without references where a reference is needed, or where
    others have some.

    Raises:
        DataError: there are none, or the texts have no such number.
    """
    by = _resolve_number(settings.by, items, site)
    examples, rungs = _measure_all(by, items, site), rungs_of(site)
    guarantee, bad, outputs = settings.guarantee, None, None
    if guarantee is not None:
        examples = _keep_scored(examples, guarantee.condition.metric, rungs[0])
        _require(examples, guarantee.condition.metric, settings)
    if len(rungs) > 1:
        metric = _name_metric(settings, site)
        scored = _keep_scored(examples, metric, rungs[0])
        if scored or settings.target is not None:
            examples = _require(scored, metric, settings)
            outputs = _rung_outputs(examples, metric, rungs)
    if guarantee is not None:
        condition = guarantee.condition
        segments = _segments(examples, condition.metric, rungs[0])
        scores = get_metric(condition.metric).sentence_scores(segments)
        bad = np.asarray([condition.holds(scores[key]) for key in segments.ids])
    return DevelopmentSet(
        by=by,
        doubtful=settings.doubtful_end,
        values=np.asarray([example.value for example in examples], np.float64),
        units=_units([example.item.utterance for example in examples])[0],
        outputs=outputs,
        bad=bad,
        costs=_costs(site, rungs, items),
    )


def _resolve_number(by: str, items: Sequence[Item], site: Site) -> str:
    """Return which number ``confidence`` is: the calibrated probability only where every text has it."""
    texts = [outcome for item in items if isinstance(outcome := item.inputs.get(site.of[0]), NBest)]
    if by != CONFIDENCE or not texts:
        return by
    return CALIBRATED if all(CALIBRATED in text.best.features for text in texts) else RAW


def _measure_all(by: str, items: Sequence[Item], site: Site) -> list[Example]:
    """Return the items that have the number, as the route will measure it."""
    examples = []
    for item in items:
        read = {name: outcome for name, outcome in item.inputs.items() if name == site.of[0]}
        value = measure(by, item.model_copy(update={"inputs": read}))
        if value is not None:
            examples.append(Example(item, value))
    if not examples:
        raise DataError(f"expected utterances with a number {by}, found none in {site.called[0]}; see by")
    return examples


def _name_metric(settings: TrainRouteSettings, site: Site) -> str:
    asked = settings.metric or (settings.target.metric if settings.target else None)
    return asked or ("wer" if site.transcripts else "chrf")


def _require(examples: list[Example], metric: str, settings: TrainRouteSettings) -> list[Example]:
    if not examples:
        raise DataError(
            f"expected development utterances with references that {metric} reads for "
            f"{settings.parts[0]}, found none; give other data, or say metric"
        )
    return examples


def _keep_scored(examples: list[Example], metric: str, rung: str) -> list[Example]:
    """Return the utterances with references that say something."""
    ids = set(get_metric(metric).select(_segments(examples, metric, rung)).ids)
    return [example for example in examples if example.item.utterance.id in ids]


def _segments(examples: Sequence[Example], metric: str, rung: str) -> Segments:
    """Return a rung's texts beside what the metric compares them with."""
    is_transcript = get_metric(metric).output == "transcript"
    utterances = [example.item.utterance for example in examples]
    outcomes = [example.item.inputs.get(rung) for example in examples]
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


def _rung_outputs(examples: Sequence[Example], metric: str, rungs: Sequence[str]) -> RungOutputs:
    scorer = get_metric(metric)
    cheap, expensive = (scorer.statistics(scorer.select(_segments(examples, metric, rung))) for rung in rungs)
    return RungOutputs(scorer, cheap, expensive)


def _units(utterances: Sequence[Utterance]) -> tuple[FloatArray, bool]:
    """Return what utterances cost, relative to each other, and whether these are seconds of audio (or 1)."""
    seconds = [utterance.audio.seconds for utterance in utterances if utterance.audio is not None]
    if len(seconds) < len(utterances):
        return np.ones(len(utterances)), False
    return np.asarray(seconds), True


def _costs(site: Site, rungs: Sequence[str], items: Sequence[Item]) -> RungCosts | None:
    """Return the seconds of what runs for every utterance, and of what the expensive rung needs besides."""
    if len(rungs) < 2 or not site.costs:
        return None
    always = {**site.costs[site.of[0]], **site.costs[rungs[0]]}
    besides = {name: cost for name, cost in site.costs[rungs[1]].items() if name not in always}
    units, is_speech = _units([item.utterance for item in items])
    return RungCosts(
        cheap=sum(always.values()),
        expensive=sum(besides.values()),
        units=float(units.sum()),
        unit="second of audio" if is_speech else "utterance",
    )
