"""Scores texts by a causal language model, in reranking (feature ``lm``) and in the search of recognizers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from components.compute.device import pick_device
from components.compute.model_cache import model_cache
from components.decoding.caches.kv_cache import cache_argument
from components.decoding.caches.reorderable import require_reorderable
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
        self._model, self._tokenizer, self._name = model.eval(), tokenizer, name
        ends = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        if ends[1] is None:
            raise ModelError(f"{name}: expected a tokenizer with an end-of-text token, found none")
        self._begin = ends[1] if ends[0] is None else ends[0]
        self._end = ends[1]

    @torch.inference_mode()
    def score(self, texts: Sequence[str], end: bool = True) -> list[float]:
        """Return each text's log-probability (nats): the sum over its tokens and, where wanted, its end."""
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

    @torch.inference_mode()
    def score_variants(self, texts: Sequence[str]) -> list[float]:
        """Return :meth:`score` less what the tokens give that begin all texts: these are read only once.

        For texts that are to be compared with each other, such as a sentence with each of several words in
        one place.

        Raises:
            ModelError: the model keeps other states than keys and values.
        """
        require_reorderable(self._model, self._name)
        rows = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        rows = [[self._begin, *row, self._end] for row in rows]
        common = rows[0][: _count_common(rows)]
        cache, argument = DynamicCache(config=self._model.config), cache_argument(self._model)
        begun = torch.tensor([common], device=self._model.device)
        before = self._model(input_ids=begun, use_cache=True, **{argument: cache}).logits[:, -1:]
        cache.batch_repeat_interleave(len(rows))
        ids, mask = self._pad([row[len(common) :] for row in rows])
        seen = torch.cat([mask.new_ones(len(rows), len(common)), mask], 1).long()
        after = self._model(input_ids=ids, attention_mask=seen, **{argument: cache}).logits[:, :-1]
        return _sum_log_probs(torch.cat([before.expand(len(rows), -1, -1), after], 1), ids, mask)

    @torch.inference_mode()
    def likely_words(self, text: str, most: int) -> list[str]:
        """Return the words of one token that may follow a text, the likeliest first, at most so many."""
        row = [self._begin, *self._tokenizer(text, add_special_tokens=False)["input_ids"]]
        logits = self._model(input_ids=torch.tensor([row], device=self._model.device)).logits[0, -1]
        pieces = map(self._tokenizer.decode, logits.argsort(descending=True)[: 10 * most].tolist())
        words = (piece.strip() for piece in pieces if piece[:1].isspace() or not text)
        return list(islice(dict.fromkeys(filter(str.isalpha, words)), most))

    def _score_batch(self, rows: Sequence[Sequence[int]]) -> list[float]:
        ids, mask = self._pad(rows)
        logits = self._model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits[:, :-1]
        return _sum_log_probs(logits, ids[:, 1:], mask[:, 1:])

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return tokens (N, T) and which of them are no padding (N, T)."""
        width, device = max(map(len, rows)), self._model.device
        ids = torch.tensor([[*row, *[self._end] * (width - len(row))] for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        return ids, torch.arange(width, device=device) < lengths[:, None]


def _count_common(rows: Sequence[list[int]]) -> int:
    """Return how many tokens all rows begin with, the last of each left out."""
    pairs = zip(min(rows)[:-1], max(rows)[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _sum_log_probs(logits: Tensor, ids: Tensor, mask: Tensor) -> list[float]:
    """Logits (N, T, V) of tokens (N, T) -> the log-probability of each row where the mask says so."""
    log_probs = logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    sums: list[float] = log_probs.masked_fill(~mask, 0.0).double().sum(1).tolist()
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
