"""Sentences sampled from mixtures of language models, and what another model thinks of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident

Tokens = tuple[int, ...]


def sample(
    models: Sequence[Path], combiner: Combiner | None, count: int, seed: int, longest: int = 40
) -> list[tuple[str, Tokens]]:
    """``count`` sentences from their beginning: texts, and tokens with end of sentence."""
    loaded = [_load(model) for model in models]
    scorers = [model.build_scorer([(model.vocabulary.pad,)]) for model, _ in loaded]
    config = SearchConfig(n_best=count, temperature=1.0, seed=seed, max_new_tokens=longest)
    (candidates,) = search(scorers, config, combiner=combiner, keys=[0])
    tokenizer = loaded[0][1]
    return [(str(tokenizer.decode(list(c.tokens))), c.all_tokens) for c in candidates]


def log_probs_of(model: Path, sequences: Sequence[Tokens]) -> list[float]:
    """Log-probability (nats) of each sequence from the beginning of a sentence."""
    causal, _ = _load(model)
    scorer = causal.build_scorer([(causal.vocabulary.pad,)] * len(sequences))
    return [candidate.score for candidate in force_decode([scorer], sequences)]


def _load(model: Path) -> tuple[CausalModel, object]:
    _, loaded, tokenizer = load_resident(str(model), TranslationConfig(model=str(model), device="cpu"), None)
    assert isinstance(loaded, CausalModel)
    return loaded, tokenizer
