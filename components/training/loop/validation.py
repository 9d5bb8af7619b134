"""Loss and BLEU on the development set, by which checkpoints are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sacrebleu
import torch

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
    before each sentence.

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
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    output = [""] * len(sentences)
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        inputs = tokenizer([sentences[i] for i in rows], return_tensors="pt", padding=True)
        ids = model.generate(
            input_ids=inputs["input_ids"].to(model.device),
            attention_mask=inputs["attention_mask"].to(model.device),
            num_beams=beam_size,
            max_length=2 * inputs["input_ids"].shape[1] + 10,
        )
        for i, text in zip(rows, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
            output[i] = text
    return output


def dev_bleu(model: Any, tokenizer: Any, pairs: Sequence[Pair], language: str | None = None) -> float:
    """Return corpus BLEU (sacreBLEU, cased, 13a) of the greedy translations of ``pairs``."""
    hypotheses = translate(model, tokenizer, [source for source, _ in pairs], language=language)
    return float(sacrebleu.corpus_bleu(hypotheses, [[target for _, target in pairs]], tokenize="13a").score)
