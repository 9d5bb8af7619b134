"""The metric that a model computes without a reference, by what the model is."""

from __future__ import annotations

from components import models
from components.metrics.model_metric import ModelMetric
from components.models.architectures import METRICX, SERVED
from components.neural_metrics.factory import is_xcomet
from components.neural_metrics.metrics import COMETKIWI, GEMBA, METRICX_QE, XCOMET_QE


def bind_quality_metric(reference: str, store: str | None = None, device: str = "auto") -> ModelMetric:
    """Bind a metric that a model computes without reference: CometKiwi, xCOMET, MetricX, a served judge.

    Raises:
        ModelError: the model is not there, damaged, or computes none.
    """
    checkpoint = models.resolve(reference, store)
    if checkpoint.architecture == SERVED:
        return GEMBA.open(reference, store, device)
    row = (
        METRICX_QE
        if checkpoint.architecture == METRICX
        else XCOMET_QE
        if is_xcomet(checkpoint)
        else COMETKIWI
    )
    return row.open(reference, store, device)
