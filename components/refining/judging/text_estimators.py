"""Estimates of a text by another model, without a reference: for the gates of refinement and for ``score``.

``forward``       log P(translation | source) per token, by a translation model
``dropout_forward``  its mean over passes with Monte-Carlo dropout (D-TP, Fomicheva et al. 2020)
``round_trip``    chrF of the translation, translated back, against the source
``fluency``       log P(text) per token, by a language model
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from sacrebleu.metrics.chrf import CHRF

from components.decoding.models.causal import CausalModel
from components.decoding.searches.forced_scoring import force_decode
from components.ensembling.token_level.dropout import DropoutScorer
from components.errors import ConfigError
from components.records import NBest, Utterance
from components.text.languages import UNDETERMINED
from components.text.sanitization import find_control_tokens, sanitize
from components.translation import factory
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident
from components.translation.segments.sentence_tokenizer import SentenceTokenizer

Items = Sequence[Utterance]
Texts = Sequence[str]
Estimator = Callable[[Items, Texts], list[float]]
"""(utterances, their texts) -> an estimate of each; higher is better."""
MAX_BACK_TRANSLATION_TOKENS = 96
"""Tokens of a back-translation, at most; a refinement's own ``max_tokens`` may say another number."""
PASSES = 30
"""Passes with dropout, as Fomicheva et al. take."""


def forward_estimator(model: str, device: str, store: str | None, passes: int = 0) -> Estimator:
    """Estimate by the mean log-probability of the translation's tokens, end included, without its language.

    Of ``passes`` networks with dropout, if above 0; of as much of both texts as the model can read.

    Raises:
        ConfigError: the model is no encoder-decoder model, or has no dropout where passes are asked for.
    """
    settings = TranslationConfig(model=model, device=device, dtype="float32")
    _, ready, tokenizer = load_resident(model, settings, store)
    if isinstance(ready, CausalModel):
        raise ConfigError(f"expected a translation model, found {model}")
    sentences = SentenceTokenizer(tokenizer, ready.model.config, positions=ready.positions, room=0)

    def score_text(item: Utterance, text: str) -> float:
        sentence = sentences.prepare(item.text or "", item.source_language, item.target_language)
        source = sentence.tokens[: sentences.max_source]
        target = sentences.tokenize_target(text, item.target_language)[: ready.positions]
        forced = sentences.count_forced(item.target_language)
        ids = torch.tensor([source], device=ready.model.device).repeat(passes or 1, 1)
        scorer: Any = ready.build_scorer(input_ids=ids, attention_mask=torch.ones_like(ids))
        if passes:
            scorer = DropoutScorer(scorer, 0, keys=[_key_of(item, number) for number in range(passes)])
        candidates = force_decode([scorer], [target] * (passes or 1))
        return statistics.fmean(statistics.fmean(each.log_probs[forced:]) for each in candidates)

    return lambda items, texts: [score_text(item, text) for item, text in zip(items, texts, strict=True)]


def _key_of(item: Utterance, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{item.id}/{number}".encode()).digest()[:8], "big")


def fluency_estimator(model: str, device: str, store: str | None) -> Estimator:
    """Estimate by mean log-probability of the text's tokens, as far as it reads, under a causal model.

    Raises:
        ConfigError: the model is no causal language model.
    """
    settings = TranslationConfig(model=model, device=device, dtype="float32")
    _, ready, tokenizer = load_resident(model, settings, store)
    if not isinstance(ready, CausalModel):
        raise ConfigError(f"expected a causal language model, found {model}")
    controls = find_control_tokens(tokenizer)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else ready.vocabulary.pad

    def score_text(text: str) -> float:
        ids = tokenizer(sanitize(text, controls), add_special_tokens=False, verbose=False).input_ids
        ids = ids[: ready.positions] or [start]
        return force_decode([ready.build_scorer([[start]])], [ids])[0].score / len(ids)

    return lambda items, texts: [score_text(text) for text in texts]


def round_trip_estimator(
    model: str, device: str, store: str | None, max_tokens: int = MAX_BACK_TRANSLATION_TOKENS
) -> Estimator:
    """Return chrF (0 to 100) of the greedy back-translation against the source; 0 where there is none."""
    settings = TranslationConfig(
        model=model, device=device, dtype="float32", beam_size=1, n_best=1, max_tokens=max_tokens
    )
    translator, chrf = factory.build(settings, store), CHRF()

    def estimate(items: Items, texts: Texts) -> list[float]:
        back = [
            item.model_copy(
                update={
                    "text": text,
                    "source_language": item.target_language or UNDETERMINED,
                    "target_language": item.source_language,
                }
            )
            for item, text in zip(items, texts, strict=True)
        ]
        return [
            chrf.sentence_score(outcome.best.text, [item.text or ""]).score
            if isinstance(outcome, NBest)
            else 0.0
            for item, outcome in zip(items, translator.translate(back), strict=True)
        ]

    return estimate


TEXT_ESTIMATORS: dict[str, Callable[[str, str, str | None], Estimator]] = {
    "forward": forward_estimator,
    "dropout_forward": partial(forward_estimator, passes=PASSES),
    "round_trip": round_trip_estimator,
    "fluency": fluency_estimator,
}
"""Estimate -> (model, device, store) -> its estimator, with the model loaded."""
