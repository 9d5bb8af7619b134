"""Gates: estimates of quality, one of which a round must raise to be accepted.

``forward``     log P(translation | source) per token, by a translation model
``round_trip``  chrF of the translation, translated back, against the source
``fluency``     log P(translation) per token, by a language model
``quality_estimation``  CometKiwi, xCOMET or MetricX without a reference
``reference_chrf``  chrF against the references: no estimate, but what a perfect gate could gain
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sacrebleu.metrics.chrf import CHRF

from components.decoding.models.causal import CausalModel
from components.decoding.search import force_decode
from components.errors import ConfigError
from components.languages import UNDETERMINED, base_of
from components.metrics.model_metric import Sample
from components.neural_metrics.factory import bind_quality_metric
from components.records import NBest, Utterance
from components.refining.config import RoundsConfig
from components.translation.config import TranslationConfig
from components.translation.factory import build, load_resident
from components.translation.sanitization import find_control_tokens, sanitize

SOURCE_GATES = ("forward", "round_trip", "quality_estimation")
"""Gates that compare a translation with its source text; a transcript has none."""
METRIC_OF_GATE = {"reference_chrf": "chrf"}
"""Gate -> the reported metric that is the gate's own measure."""
Items = Sequence[Utterance]
Texts = Sequence[str]
Estimator = Callable[[Items, Texts], list[float]]
"""(utterances, their translations) -> an estimate of each; higher is better."""


def check(config: RoundsConfig) -> None:
    """Refuse a gate that is the reported metric: ConfigError."""
    if METRIC_OF_GATE.get(config.gate) == config.reported:
        raise ConfigError(
            f"gate {config.gate}: expected another metric than the reported one, found "
            f"{config.reported} for both; a gate that is judged by itself never fails"
        )


def _forward_estimator(config: RoundsConfig, store: str | None) -> Estimator:
    settings = TranslationConfig(model=config.gate_model, device=config.device)
    _, ready, tokenizer = load_resident(config.gate_model, settings, store)
    if isinstance(ready, CausalModel):
        raise ConfigError(f"gate_model: expected a translation model, found {config.gate_model}")
    controls, device = find_control_tokens(tokenizer), ready.model.device

    def score_text(item: Utterance, text: str) -> float:
        source = tokenizer(sanitize(item.text or "", controls), return_tensors="pt").to(device)
        target_ids = tokenizer(text_target=sanitize(text, controls)).input_ids
        scorer = ready.build_scorer(input_ids=source.input_ids, attention_mask=source.attention_mask)
        return force_decode([scorer], [target_ids])[0].score / len(target_ids)

    return lambda items, texts: [score_text(item, text) for item, text in zip(items, texts, strict=True)]


def _fluency_estimator(config: RoundsConfig, store: str | None) -> Estimator:
    settings = TranslationConfig(model=config.gate_model, device=config.device)
    _, ready, tokenizer = load_resident(config.gate_model, settings, store)
    controls = find_control_tokens(tokenizer)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else ready.vocabulary.pad
    model: Any = ready

    def score_text(text: str) -> float:
        ids = tokenizer(sanitize(text, controls), add_special_tokens=False).input_ids or [start]
        return force_decode([model.build_scorer([[start]])], [ids])[0].score / len(ids)

    return lambda items, texts: [score_text(text) for text in texts]


def _round_trip_estimator(config: RoundsConfig, store: str | None) -> Estimator:
    settings = TranslationConfig(
        model=config.gate_model, device=config.device, beam_size=1, n_best=1, max_tokens=config.max_tokens
    )
    translator, chrf = build(settings, store), CHRF()

    def estimate(items: Items, texts: Texts) -> list[float]:
        back = [
            item.model_copy(
                update={
                    "text": text,
                    "source_language": item.target_language or UNDETERMINED,
                    "target_language": item.source_language,
                }
            )
            for item, text in zip(items, texts, strict=True)
        ]
        return [
            chrf.sentence_score(outcome.best.text, [item.text or ""]).score
            if isinstance(outcome, NBest)
            else 0.0
            for item, outcome in zip(items, translator.translate(back), strict=True)
        ]

    return estimate


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
    """The references of a translation; of a text in the language that was spoken, the transcript."""
    if base_of(item.source_language) == base_of(item.target_language or UNDETERMINED):
        return [item.transcript] if item.transcript else []
    return list(item.references)


GATES: dict[str, Callable[[RoundsConfig, str | None], Estimator]] = {
    "forward": _forward_estimator,
    "round_trip": _round_trip_estimator,
    "fluency": _fluency_estimator,
    "quality_estimation": _quality_estimator,
    "reference_chrf": _reference_estimator,
}
"""Gate -> (settings, store) -> its estimator, with its model loaded."""
