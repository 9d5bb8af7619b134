"""All metrics: one row each, in the order in which scores are listed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from components.errors import ConfigError
from components.metrics.error_rates.cer import CharacterErrorRate
from components.metrics.error_rates.meetings import ConcatenatedErrorRate, TimeConstrainedErrorRate
from components.metrics.error_rates.wer import WordErrorRate
from components.metrics.metric import Metric, Output
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import MODEL_METRICS, ModelMetric, missing_model
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.translation_quality.bleu import Bleu
from components.metrics.translation_quality.chrf import Chrf
from components.metrics.translation_quality.hallucinations import HallucinatedWords, Hallucinations
from components.metrics.translation_quality.ter import TranslationEditRate
from components.metrics.translation_quality.terms import TERM_METRICS
from components.text.suggestions import did_you_mean

_ROWS: tuple[Metric, ...] = (
    WordErrorRate(),  # Levenshtein 1966, by jiwer
    CharacterErrorRate(),
    Hallucinations(),
    HallucinatedWords(),
    ConcatenatedErrorRate(),  # Watanabe et al. 2020, https://arxiv.org/abs/2004.09249, by meeteval
    TimeConstrainedErrorRate(),  # von Neumann et al. 2023, https://arxiv.org/abs/2307.11394
    Bleu(),  # Papineni et al. 2002, https://aclanthology.org/P02-1040, by sacreBLEU
    Chrf(),  # Popović 2015, https://aclanthology.org/W15-3049
    TranslationEditRate(),  # Snover et al. 2006, https://aclanthology.org/2006.amta-papers.25
    *TERM_METRICS,  # of runs with a term list
    *MODEL_METRICS,
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
"""Name -> metric."""


def get_metric(name: str, normalizer: str = BY_LANGUAGE) -> Metric:
    """The row of a metric, counting transcripts under a normalizer.

    Raises:
        ConfigError: there is none of that name, or a model computes it.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise ConfigError(f"metric: expected one of {', '.join(METRICS)}, found {name!r}{hint}")
    metric = METRICS[name]
    if isinstance(metric, ModelMetric):
        raise missing_model(name, metric.example)
    return under_normalizer(metric, normalizer)


def under_normalizer(metric: Metric, normalizer: str) -> Metric:
    """The same metric under another normalizer; one that normalizes nothing as it is."""
    if not is_dataclass(metric) or "normalizer" not in {field.name for field in fields(metric)}:
        return metric
    return replace(metric, normalizer=normalizer)


def get_model_metric(text: str) -> ModelMetric:
    """The row that ``NAME:MODEL`` names.

    Raises:
        ConfigError: there is none of that name, no model computes it, or the model's name is missing.
    """
    name, model = split_metric(text)
    metric = METRICS.get(name)
    if not isinstance(metric, ModelMetric):
        names = [row.name for row in MODEL_METRICS]
        hint = did_you_mean(name, names)
        raise ConfigError(f"metric: expected NAME:MODEL with one of {', '.join(names)}, found {text!r}{hint}")
    if not model:
        raise missing_model(name, metric.example)
    if model.startswith("node:"):
        raise ConfigError(
            f"metric {name}: expected a model that exists, found {model}; store:RUN/NODE names one"
        )
    return metric


def metrics_of(output: Output, normalizer: str = BY_LANGUAGE) -> dict[str, Metric]:
    """The metrics of transcripts or of translations without a model or terms, under a normalizer."""
    return {
        name: under_normalizer(metric, normalizer)
        for name, metric in METRICS.items()
        if metric.output == output and not metric.needs_model and not metric.needs_terms
    }


def label_of(name: str) -> str:
    """A metric's name as the field writes it; a name that is no metric's as it is."""
    return METRICS[name].label if name in METRICS else name
