"""Scores texts by a causal language model, in reranking (feature ``lm``) and in the search of recognizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from components.compute.device import pick_device
from components.compute.model_cache import model_cache
from components.errors import ModelError
from components.models import resolve
from components.models.loaders.loading import load_transformers

BATCH_SIZE = 32


class CausalLanguageModel:
    """Log-probabilities of whole texts, end included, by a transformers model and its tokenizer.

    Raises:
        ModelError: the tokenizer has no end-of-text token.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        ends = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        if ends[1] is None:
            raise ModelError(f"{name}: expected a tokenizer with an end-of-text token, found none")
        self._begin = ends[1] if ends[0] is None else ends[0]
        self._end = ends[1]

    @torch.inference_mode()
    def score(self, texts: Sequence[str], end: bool = True) -> list[float]:
        """The log-probability (nats) of each text: the sum over its tokens and, where wanted, its end."""
        rows = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        rows = [[self._begin, *row, *([self._end] if end else [])] for row in rows]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        scores = [0.0] * len(rows)
        for first in range(0, len(order), BATCH_SIZE):
            rows_of_batch = order[first : first + BATCH_SIZE]
            for row_index, score in zip(
                rows_of_batch, self._score_batch([rows[i] for i in rows_of_batch]), strict=True
            ):
                scores[row_index] = score
        return scores

    def _score_batch(self, rows: Sequence[Sequence[int]]) -> list[float]:
        width = max(map(len, rows))
        device = self._model.device
        ids = torch.tensor([[*row, *[self._end] * (width - len(row))] for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        mask = torch.arange(width, device=device) < lengths[:, None]
        logits = self._model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits[:, :-1]
        log_probs = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        sums: list[float] = log_probs.masked_fill(~mask[:, 1:], 0.0).double().sum(1).tolist()
        return sums


def load_language_model(
    reference: str, store: str | None = None, device: str = "auto"
) -> CausalLanguageModel:
    """Load a language model onto a device; it stays resident in the process.

    Raises:
        ModelError: it cannot be loaded as a causal language model.
    """
    checkpoint = resolve(reference, store)
    torch_device = pick_device(device)

    def load_model() -> CausalLanguageModel:
        model, tokenizer = load_transformers(checkpoint, "causal", torch_device, "auto")
        return CausalLanguageModel(model, tokenizer, reference)

    return model_cache.get(("language model", *checkpoint.identity, str(torch_device)), load_model)
