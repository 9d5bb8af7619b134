"""Faults of parameters are lines of a ConfigError, as on the command line."""

from __future__ import annotations

from typing import Any

import pytest

import antiphon
from components.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ["blue"]}, r"^metrics\.0: expected one of .* found 'blue'; did you mean bleu\?$"),
        ({"scores": ["1 a=scores.tsv"]}, r"^scores\.0\.name: expected a text that matches .* found '1 a'$"),
        ({"primary": ["a versus"]}, r"^primary\.0: expected SYSTEM, SYSTEM versus OTHER"),
    ],
)
def test_a_fault_of_a_comparison_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        antiphon.compare_runs("a", "b", **settings)
