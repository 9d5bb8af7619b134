"""How to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.errors import ConfigError


@dataclass(frozen=True)
class SearchConfig:
    """Settings of one search; the meaning of each is that of transformers' ``generate``.

    ``temperature`` 0 searches (greedy when ``beam_size`` is 1, otherwise beam); above 0 it draws ``n_best``
    independent samples per utterance from the tempered, top-p-filtered distribution, without a beam.
    ``max_new_tokens`` counts eos. A finished hypothesis is ranked by score / n ** ``length_penalty`` where n
    counts its generated tokens and eos. ``early_stopping``: True stops at ``beam_size`` finished hypotheses,
    False when the best open one cannot win at the present length, "never" when it cannot win at any length.
    """

    beam_size: int = 5
    n_best: int = 1
    max_new_tokens: int = 256
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.beam_size < 1 or self.n_best < 1 or self.max_new_tokens < 1:
            raise ConfigError(
                "expected beam_size, n_best and max_new_tokens of at least 1, found "
                f"{self.beam_size}, {self.n_best}, {self.max_new_tokens}"
            )
        if self.temperature == 0 and self.n_best > self.beam_size:
            raise ConfigError(
                f"expected n_best of at most beam_size {self.beam_size}, found {self.n_best}: lower n_best, "
                "or raise beam_size"
            )
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ConfigError(
                "expected temperature of at least 0 and top_p in (0, 1], found "
                f"{self.temperature} and {self.top_p}"
            )
        if self.early_stopping not in (True, False, "never"):
            raise ConfigError(
                f'expected early_stopping True, False or "never", found {self.early_stopping!r}'
            )
