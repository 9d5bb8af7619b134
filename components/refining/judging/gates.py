"""Gates: estimates of quality, one of which a round must raise to be accepted.

``forward``     log P(translation | source) per token, by a translation model
``round_trip``  chrF of the translation, translated back, against the source
``fluency``     log P(translation) per token, by a language model
``quality_estimation``  CometKiwi, xCOMET or MetricX without a reference
``reference_chrf``  chrF against the references: no estimate, but what a perfect gate could gain
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sacrebleu.metrics.chrf import CHRF

from components.errors import ConfigError
from components.metrics.model_metric import Sample
from components.neural_metrics.quality_metric import bind_quality_metric
from components.records import Utterance
from components.refining.config import RoundsConfig
from components.refining.judging.text_estimators import (
    TEXT_ESTIMATORS,
    Estimator,
    Items,
    Texts,
    round_trip_estimator,
)
from components.text.languages import UNDETERMINED, is_same_language

Gate = Callable[[RoundsConfig, str | None], Estimator]
SOURCE_GATES = ("forward", "round_trip", "quality_estimation")
"""Gates that compare a translation with its source text; a transcript has none."""
METRIC_OF_GATE = {"reference_chrf": "chrf"}
"""Gate -> the reported metric that is the gate's own measure."""


def check(config: RoundsConfig) -> None:
    """Refuse a gate that is the reported metric: ConfigError."""
    if METRIC_OF_GATE.get(config.gate) == config.reported:
        raise ConfigError(
            f"gate {config.gate}: expected another metric than the reported one, found "
            f"{config.reported} for both; a gate that is judged by itself never fails"
        )


def _text_gate(name: str) -> Gate:
    """Return the gate by a row of :data:`.text_estimators.TEXT_ESTIMATORS`; its errors name the setting."""

    def estimator(config: RoundsConfig, store: str | None) -> Estimator:
        make = TEXT_ESTIMATORS[name]
        if name == "round_trip":
            make = partial(round_trip_estimator, max_tokens=config.max_tokens)
        try:
            return make(config.gate_model, config.device, store)
        except ConfigError as error:
            raise ConfigError(f"gate_model: {error}") from error

    return estimator


def _quality_estimator(config: RoundsConfig, store: str | None) -> Estimator:
    metric = bind_quality_metric(config.gate_model, store, config.device)
    sign = 1.0 if metric.higher_is_better else -1.0

    def estimate(items: Items, texts: Texts) -> list[float]:
        samples = [Sample(text, item.text or "") for item, text in zip(items, texts, strict=True)]
        return [sign * metric.scale * score.value for score in metric.bound_scorer.score(samples)]

    return estimate


def _reference_estimator(config: RoundsConfig, store: str | None) -> Estimator:
    chrf = CHRF()
    return lambda items, texts: [
        chrf.sentence_score(text, references_of(item)).score if references_of(item) else 0.0
        for item, text in zip(items, texts, strict=True)
    ]


def references_of(item: Utterance) -> list[str]:
    """Return the references of a translation; of a text in the language that was spoken, the transcript."""
    if is_same_language(item.source_language, item.target_language or UNDETERMINED):
        return [item.transcript] if item.transcript else []
    return list(item.references)


GATES: dict[str, Gate] = {
    "forward": _text_gate("forward"),
    "round_trip": _text_gate("round_trip"),
    "fluency": _text_gate("fluency"),
    "quality_estimation": _quality_estimator,
    "reference_chrf": _reference_estimator,
}
"""Gate -> (settings, store) -> its estimator, with its model loaded."""
