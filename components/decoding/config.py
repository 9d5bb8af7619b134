"""Search settings (same meaning as in transformers' ``generate``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.errors import ConfigError


@dataclass(frozen=True)
class SearchConfig:
    """Settings of one search.

    Attributes:
        beam_size: open hypotheses per utterance; 1 is greedy search.
        n_best: candidates per utterance.
        max_new_tokens: length limit in generated tokens, eos included.
        length_penalty: a finished hypothesis of n tokens, eos included, is ranked by score / n ** this.
        early_stopping: true stops at ``beam_size`` finished hypotheses, False when the best open one cannot
            win at the present length, "never" when it cannot win at any length.
        temperature: 0 searches; above 0, ``n_best`` independent samples are drawn, without a beam.
        top_k: samples are drawn from the so many likeliest tokens (and those that equal the last); 0: all.
        top_p: samples are drawn from the smallest set of tokens with this probability, in (0, 1].
        epsilon: tokens below this probability are not drawn, in [0, 1).
        seed: of the samples.
        entropies: keep the entropy and the margin of every token's distribution.

    Raises:
        ConfigError: A value is out of range, or ``n_best`` is larger than the beam.
    """

    beam_size: int = 5
    n_best: int = 1
    max_new_tokens: int = 256
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    top_k: int = 0
    epsilon: float = 0.0
    entropies: bool = False

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
        if self.top_k < 0 or not 0 <= self.epsilon < 1:
            raise ConfigError(
                f"expected top_k of at least 0 and epsilon in [0, 1), found {self.top_k} and {self.epsilon}"
            )
        if self.early_stopping not in (True, False, "never"):
            raise ConfigError(
                f'expected early_stopping True, False or "never", found {self.early_stopping!r}'
            )
