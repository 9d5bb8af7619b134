"""Spearman's correlation against pandas'."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.claims.statistics.rank_correlation import correlate_ranks


def test_equals_pandas_with_ties_and_over_leading_axes() -> None:
    """Rows of small whole numbers have ties; a constant row has no correlation."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 3, 30, 6)).astype(float)
    first[0, 0] = 1.0
    expected = np.array(
        [
            [pd.Series(a).corr(pd.Series(b), method="spearman") for a, b in zip(*rows, strict=True)]
            for rows in zip(first, second, strict=True)
        ]
    )
    assert correlate_ranks(first, second) == pytest.approx(np.nan_to_num(expected))
