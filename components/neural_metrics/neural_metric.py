"""A metric of a model that this family loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.metrics.model_metric import ModelMetric

Family = Literal["comet", "xcomet", "metricx", "similarity", "chat"]


@dataclass(frozen=True)
class NeuralMetric(ModelMetric):
    """A metric of a model; ``family`` says what loads it."""

    family: Family = "comet"
