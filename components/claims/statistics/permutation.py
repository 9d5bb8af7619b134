"""Permutation tests that a design names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.metrics.statistics.bootstrap import SEED
from components.metrics.statistics.null_distributions import two_sided_p

EXACT = 16
"""Differences of which all sign patterns are tried; of more, 100,000 are drawn."""


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of a mean difference; under the null hypothesis each sign may be flipped."""
    values = np.asarray(differences, np.float64)
    n = len(values)
    if n <= EXACT:
        signs = 1 - 2 * (np.arange(2**n)[1:, None] >> np.arange(n) & 1)  # the identity is counted by the p
    else:
        signs = 1 - 2 * np.random.default_rng(SEED).integers(2, size=(100_000, n))
    return two_sided_p(signs @ values / n, float(values.mean()))
