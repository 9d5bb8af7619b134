"""MetricX-24: an mT5 whose decoder's first logit of one token is the score; equal to the published code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.metrics.model_metric import Sample, SentenceScore
from components.neural_metrics.batches import compute_once_each, map_batches

SCORE_TOKEN = 250089
"""``<extra_id_10>``, whose logit is the score."""
MAX_SCORE = 25.0
MAX_TOKENS = 1536
"""Tokens of the input at most, as its README says; longer inputs are cut."""


class MetricXScorer:
    """Scores from 0 (best) to 25, with the reference or, for the hybrid models, without.

    With several references the score is the mean of those with each.

    Args:
        model: mT5 with a language model head.
        tokenizer: mT5's.
        max_tokens: of the input.
    """

    def __init__(self, model: Any, tokenizer: Any, max_tokens: int = MAX_TOKENS) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    @torch.inference_mode()
    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Return scores of samples."""
        inputs = [write_input(s, reference) for s in samples for reference in s.references or ("",)]
        values = iter(compute_once_each(inputs, self._run))
        lists = [[next(values) for _ in s.references or ("",)] for s in samples]
        return [SentenceScore(sum(row) / len(row)) for row in lists]

    def _run(self, inputs: list[str]) -> list[float]:
        # The models were trained on inputs without the end token that the tokenizer adds.
        cut = {"max_length": self._max_tokens, "truncation": True}
        sequences = [self._tokenizer(text, **cut).input_ids[:-1] for text in inputs]
        return map_batches(sequences, self._tokenizer.pad_token_id, self.model.device, self._run_batch)

    def _run_batch(self, ids: Tensor, mask: Tensor, _: list[int]) -> list[float]:
        states = self.model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        start = torch.zeros((len(ids), 1), dtype=torch.long, device=ids.device)
        decoded = self.model.decoder(
            input_ids=start, encoder_hidden_states=states, encoder_attention_mask=mask, use_cache=False
        ).last_hidden_state[:, 0]
        row = self.model.lm_head.weight[SCORE_TOKEN]  # the other 250,000 logits are not needed
        scores: list[float] = (decoded @ row).float().clamp(0.0, MAX_SCORE).tolist()
        return scores


def write_input(sample: Sample, reference: str = "") -> str:
    """Return the text that the model reads; without a reference, that of quality estimation."""
    text = f"source: {sample.source} candidate: {sample.hypothesis}"
    return f"{text} reference: {reference}" if reference else text
