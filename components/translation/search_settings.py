"""The search of a translator."""

from __future__ import annotations

from components.decoding.config import SearchConfig
from components.translation.config import TranslationConfig


def search_config_of(config: TranslationConfig, seed: int = 0) -> SearchConfig:
    """Return the search's settings in a translator's; ``seed`` is that of its samples."""
    sampling = config.sampling
    if sampling is not None and not sampling.dropout:
        return sampling.search_config(
            config.max_tokens, config.length_penalty, seed=seed, entropies=config.entropies
        )
    return SearchConfig(
        beam_size=config.beam_size,
        n_best=config.n_best,
        max_new_tokens=config.max_tokens,
        length_penalty=config.length_penalty,
        entropies=config.entropies,
    )
