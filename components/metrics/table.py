"""All metrics by name, as packages bring them by entry points, ours among them.

A metric of the group ``antiphon.metrics`` is counted wherever the references of a run allow; one of
``antiphon.requested_metrics`` needs a model or a list of terms, and is counted where it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions
from components.metrics.metric import Metric, Output
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import ModelMetric, missing_model
from components.metrics.normalizers import BY_LANGUAGE
from components.text.suggestions import did_you_mean


def _accept_metric(name: str, value: str, extension: Any) -> Metric:
    metric = extension() if isinstance(extension, type) else extension
    if not isinstance(metric, Metric) or metric.name != name:
        raise ConfigError(f"expected a Metric with name {name!r}, found {value}")
    return metric


COUNTED: Extensions[Metric] = Extensions("antiphon.metrics", "metric", _accept_metric)
REQUESTED: Extensions[Metric] = Extensions("antiphon.requested_metrics", "metric", _accept_metric)


class _AllMetrics(MutableMapping[str, Metric]):
    """The metrics of both groups; their names are known before any is imported."""

    def __getitem__(self, name: str) -> Metric:
        return COUNTED[name] if name in COUNTED else REQUESTED[name]

    def __setitem__(self, name: str, metric: Metric) -> None:
        (REQUESTED if metric.needs_model or metric.needs_terms else COUNTED)[name] = metric

    def __delitem__(self, name: str) -> None:
        del (REQUESTED if name in REQUESTED else COUNTED)[name]

    def __contains__(self, name: object) -> bool:
        return name in COUNTED or name in REQUESTED

    def __iter__(self) -> Iterator[str]:
        yield from COUNTED
        yield from REQUESTED

    def __len__(self) -> int:
        return len(COUNTED) + len(REQUESTED)


METRICS: MutableMapping[str, Metric] = _AllMetrics()
"""Name -> metric."""


def sort_metrics(names: Iterable[str]) -> list[str]:
    """Return the names that are metrics', in the order in which scores are listed."""
    return sorted((name for name in names if name in METRICS), key=lambda name: (METRICS[name].rank, name))


def get_metric(name: str, normalizer: str = BY_LANGUAGE) -> Metric:
    """Return the row of a metric, counting transcripts under a normalizer.

    Raises:
        ConfigError: there is none of that name, or a model computes it.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise ConfigError(f"metric: expected one of {', '.join(sort_metrics(METRICS))}, found {name!r}{hint}")
    metric = METRICS[name]
    if isinstance(metric, ModelMetric):
        raise missing_model(name, metric.example)
    return under_normalizer(metric, normalizer)


def under_normalizer(metric: Metric, normalizer: str) -> Metric:
    """Return the same metric under another normalizer; one that normalizes nothing as it is."""
    if not is_dataclass(metric) or "normalizer" not in {field.name for field in fields(metric)}:
        return metric
    return replace(metric, normalizer=normalizer)


def get_model_metric(text: str) -> ModelMetric:
    """Return the row that ``NAME:MODEL`` names.

    Raises:
        ConfigError: there is none of that name, no model computes it, or the model's name is missing.
    """
    name, model = split_metric(text)
    metric = METRICS.get(name)
    if not isinstance(metric, ModelMetric):
        names = sort_metrics(row.name for row in REQUESTED.values() if row.needs_model)
        hint = did_you_mean(name, names)
        raise ConfigError(f"metric: expected NAME:MODEL with one of {', '.join(names)}, found {text!r}{hint}")
    if not model:
        raise missing_model(name, metric.example)
    if model.startswith("node:"):
        raise ConfigError(
            f"metric {name}: expected a model that exists, found {model}; store:RUN/NODE names one"
        )
    return metric


def bind_metric(text: str, store: str | None = None, device: str = "auto") -> Metric:
    """Return the metric of ``NAME`` or ``NAME:MODEL``, with its model loaded at the first score.

    Args:
        text: as a user writes it.
        store: URL of the store, for ``store:KEY``.
        device: of the model.

    Raises:
        ConfigError: there is no such metric, or a model is missing or too many.
        ModelError: the model is not there, damaged, or of another metric.
    """
    name, reference = split_metric(text)
    return get_metric(name) if reference is None else get_model_metric(text).open(reference, store, device)


def metrics_of(output: Output, normalizer: str = BY_LANGUAGE) -> dict[str, Metric]:
    """Return the metrics of transcripts or of translations without a model or terms, under a normalizer."""
    return {
        name: under_normalizer(COUNTED[name], normalizer)
        for name in sort_metrics(COUNTED)
        if COUNTED[name].output == output
    }


def term_metrics(terms: Sequence[str], output: Output, normalizer: str = BY_LANGUAGE) -> list[Metric]:
    """Return the metrics of outputs that terms guided, or might have; the recall of terms first."""
    phrases = tuple(dict.fromkeys(terms))
    names = [name for name in REQUESTED if REQUESTED[name].needs_terms]
    metrics = (METRICS[name].with_terms(phrases, output, normalizer) for name in sort_metrics(names))
    return [metric for metric in metrics if metric is not None]


def label_of(name: str) -> str:
    """Return a metric's name as the field writes it; a name that is no metric's as it is."""
    return METRICS[name].label if name in METRICS else name


MAIN_METRICS = ("wer", "cer", "bleu", "chrf")
"""Metrics that a verdict names: of each kind of output the first that a run has."""


def main_metrics(names: Collection[str]) -> list[str]:
    """Return the first metric of transcripts and the first of translations among some names."""
    first: dict[str, str] = {}
    for name in MAIN_METRICS:
        if name in names:
            first.setdefault(METRICS[name].output, name)
    return list(first.values())
