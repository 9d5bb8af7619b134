"""Loss and BLEU on the development set, by which checkpoints are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sacrebleu.metrics.bleu import BLEU

from components.metrics.translation_quality.bleu import bleu_tokenizer
from components.training.examples.batches import Example, collate, plan_batches
from components.training.examples.parallel_data import Pair
from components.training.examples.vocabulary import tag
from components.training.loop.cross_entropy import label_smoothing_loss, mean_per_token


@torch.no_grad()
def dev_loss(model: Any, examples: Sequence[Example], batch_tokens: int) -> float:
    """Return the cross-entropy without smoothing and dropout, nats per target token."""
    model.eval()
    batches = plan_batches([e.length for e in examples], batch_tokens, None)
    padded = (collate([examples[i] for i in rows], model.config.pad_token_id) for rows in batches)
    return mean_per_token(label_smoothing_loss(model, batch.to(model.device), 0.0) for batch in padded)


@torch.no_grad()
def translate(
    model: Any, tokenizer: Any, sentences: Sequence[str], beam_size: int = 1, language: str | None = None
) -> list[str]:
    """Translate sentences with transformers' ``generate``, in batches of similar length.

    Where the vocabulary has the tag of the target language, the tokenizer's unless one is given, it stands
    before each sentence. Sentences, and their translations, end at the model's last position.

    Returns:
        The translations, in the order of ``sentences``.
    """
    model.eval()
    language_tag = tag(language or str(tokenizer.target_lang))
    sentences = (
        [f"{language_tag} {sentence}" for sentence in sentences]
        if language_tag in tokenizer.get_vocab()
        else sentences
    )
    positions = model.config.max_position_embeddings
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    output = [""] * len(sentences)
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        texts = [sentences[i] for i in rows]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=positions)
        ids = model.generate(
            input_ids=inputs["input_ids"].to(model.device),
            attention_mask=inputs["attention_mask"].to(model.device),
            num_beams=beam_size,
            max_length=min(2 * inputs["input_ids"].shape[1] + 10, positions),
        )
        for i, text in zip(rows, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
            output[i] = text
    return output


def dev_bleu(model: Any, tokenizer: Any, pairs: Sequence[Pair], language: str | None = None) -> float:
    """Return :func:`corpus_bleu` of the greedy translations of ``pairs``."""
    hypotheses = translate(model, tokenizer, [source for source, _ in pairs], language=language)
    references = [target for _, target in pairs]
    return corpus_bleu(hypotheses, references, language or str(tokenizer.target_lang))


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> float:
    """Return corpus BLEU (sacreBLEU, cased) under the tokenizer of the texts' language."""
    return float(BLEU(tokenize=bleu_tokenizer(language)).corpus_score(hypotheses, [references]).score)
