"""All metrics: one row each, in the order in which scores are listed."""

from __future__ import annotations

from components.errors import ConfigError
from components.metrics.bleu import Bleu
from components.metrics.cer import CharacterErrorRate
from components.metrics.chrf import Chrf
from components.metrics.hallucinations import Hallucinations
from components.metrics.metric import Metric, Output
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import MODEL_METRICS, ModelMetric, missing_model
from components.metrics.ter import TranslationEditRate
from components.metrics.wer import WordErrorRate
from components.suggestions import did_you_mean

_ROWS: tuple[Metric, ...] = (
    WordErrorRate(),  # Levenshtein 1966, by jiwer
    CharacterErrorRate(),
    Hallucinations(),
    Bleu(),  # Papineni et al. 2002, https://aclanthology.org/P02-1040, by sacreBLEU
    Chrf(),  # Popović 2015, https://aclanthology.org/W15-3049
    TranslationEditRate(),  # Snover et al. 2006, https://aclanthology.org/2006.amta-papers.25
    *MODEL_METRICS,
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
"""Name -> metric."""


def get_metric(name: str) -> Metric:
    """The row of a metric.

    Raises:
        ConfigError: there is none of that name, or a model computes it.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise ConfigError(f"metric: expected one of {', '.join(METRICS)}, found {name!r}{hint}")
    metric = METRICS[name]
    if isinstance(metric, ModelMetric):
        raise missing_model(name, metric.example)
    return metric


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


def metrics_of(output: Output) -> dict[str, Metric]:
    """The metrics of transcripts or of translations that need no model."""
    return {
        name: metric for name, metric in METRICS.items() if metric.output == output and not metric.needs_model
    }


def label_of(name: str) -> str:
    """A metric's name as the field writes it; a name that is no metric's as it is."""
    return METRICS[name].label if name in METRICS else name
