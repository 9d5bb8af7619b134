"""The entry point of decoding: search for the best sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from components.decoding.candidates import Candidate
from components.decoding.combiner import ALONE, Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, Guidance
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.continuing import CONTINUING
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_search import beam_search
from components.decoding.searches.sampling import greedy_or_sample
from components.decoding.searches.step_runner import PLAIN, step_runner
from components.errors import ConfigError


@torch.inference_mode()
def search(
    scorers: Sequence[TokenScorer],
    config: SearchConfig,
    *,
    logits_processors: Sequence[LogitsProcessor] = (),
    combiner: Combiner | None = None,
    keys: Sequence[int] | None = None,
    calls: Counter[int] | None = None,
    guidance: Guidance = UNGUIDED,
) -> list[list[Candidate]]:
    """Decode the utterances that the scorers were prepared for.

    Args:
        scorers: one model, or the members of an ensemble.
        config: beam size, length limit, sampling and the like.
        logits_processors: constraints on the next token, applied in order to the combined distribution.
        combiner: mixes the scorers' distributions; needed where there are several.
        keys: one per utterance, to give each its own random numbers when sampling; without them every
            utterance draws the same numbers.
        calls: counts the forward calls of each scorer, by its index; those of a draft model by -1.
        guidance: biases of the ranking, phrases that must occur, a forced prefix, or a model that proposes
            tokens; that one is left out where it has fewer positions than the search may take.

    Returns:
        One list per utterance, best first, of at most ``config.n_best`` candidates.

    Raises:
        ConfigError: The scorers cannot be mixed.
        ModelError: One of them gives NaN.
    """
    if guidance.prefix:
        nbests: list[list[Candidate]] = CONTINUING["search"](
            search, scorers, config, guidance, logits_processors, combiner=combiner, keys=keys, calls=calls
        )
        return nbests
    runner, draft = step_runner() if guidance.draft is None else PLAIN, guidance.draft
    ensemble = runner.ensemble(scorers, combiner or ALONE, calls, keeps_statistics=config.entropies)
    positions = min(config.max_new_tokens, ensemble.limit)
    if draft is not None and draft.limit >= positions:
        return draft.search(ensemble, config, logits_processors, calls)
    if config.temperature > 0 or config.beam_size == 1:
        if guidance.constraints is not None:
            raise ConfigError("expected a beam of at least 2 to search with required phrases, found none")
        return greedy_or_sample(ensemble, config, logits_processors, keys, guidance)
    return beam_search(ensemble, config, logits_processors, guidance, runner)
