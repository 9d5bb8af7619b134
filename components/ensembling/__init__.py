"""Many models, one distribution: interpolation, negative evidence, learned coefficients, vocabularies."""

from components.ensembling.combiners import COMBINATIONS, Linear, LogLinear, NegativeEvidence
from components.ensembling.interpolation import linear, log_linear, negative_evidence

__all__ = [
    "COMBINATIONS",
    "Linear",
    "LogLinear",
    "NegativeEvidence",
    "linear",
    "log_linear",
    "negative_evidence",
]
