"""The search of a translator."""

from __future__ import annotations

from components.decoding.config import SearchConfig
from components.translation.config import TranslationConfig


def search_config_of(config: TranslationConfig) -> SearchConfig:
    """The search's settings in a translator's."""
    return SearchConfig(
        beam_size=config.beam_size,
        n_best=config.n_best,
        max_new_tokens=config.max_tokens,
        length_penalty=config.length_penalty,
    )
