"""Contribution of each expert of a layer: the references' likelihood when the router cannot choose it.

An expert that is gone gets a router logit of minus infinity, so its tokens go to the next best ones; with
fewer experts left than k, those compute. A layer without any expert adds nothing (the residual passes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from components.analysis.contribution import Contribution, measure_contribution
from components.experts.routing_stats import Sample, example_of
from components.metrics.bootstrap import FloatArray
from components.metrics.corpus_statistics import CorpusStatistics
from components.metrics.metric import CorpusScore
from components.metrics.shapley import MAX_MEMBERS, Coalition, all_coalitions
from components.networks.moe.moe_block import MoEBlock, moe_blocks, record_routing
from components.networks.moe.router import Router, Routing, route
from components.networks.moe.sparse_marian import layer_masks
from components.training.batches import collate


class _MaskedRouter(nn.Module):
    """A router that never chooses the experts ``removed`` (by number)."""

    def __init__(self, router: Router, removed: Collection[int]) -> None:
        super().__init__()
        self.router, self.removed = router, sorted(removed)
        self.weight = router.weight

    def forward(self, x: Tensor) -> Routing:
        logits = self.router(x).logits.index_fill(-1, torch.tensor(self.removed, device=x.device), -torch.inf)
        return route(logits, min(self.router.k, logits.shape[-1] - len(self.removed)))


@contextmanager
def without_experts(block: MoEBlock, removed: Collection[int]) -> Iterator[None]:
    """Keep the experts ``removed`` of a layer from being chosen; if those are all, it outputs zeros."""
    router = block.router
    if not removed:
        yield
    elif len(set(removed)) == router.weight.shape[0]:
        hook = block.register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
        try:
            yield
        finally:
            hook.remove()
    else:
        block.router = _MaskedRouter(router, removed)  # type: ignore[assignment]
        try:
            yield
        finally:
            block.router = router


@torch.no_grad()
def reference_log_likelihoods(
    model: Any, tokenizer: Any, samples: Sequence[Sample], batch_size: int = 64
) -> FloatArray:
    """(n, 2): the log-likelihood (nats) of each sample's reference, and its tokens."""
    model.eval()
    tables = []
    for start in range(0, len(samples), batch_size):
        rows = [example_of(tokenizer, sample) for sample in samples[start : start + batch_size]]
        batch = collate(rows, model.config.pad_token_id).to(model.device)
        is_token = batch.labels != -100
        with record_routing(model, layer_masks(batch.mask, is_token)):
            logits = model(
                input_ids=batch.source,
                attention_mask=batch.mask,
                decoder_input_ids=batch.inputs,
                use_cache=False,
            ).logits
        labels = batch.labels.clamp_min(0)[..., None]
        log_probs = logits.float().log_softmax(-1).gather(-1, labels).squeeze(-1).masked_fill(~is_token, 0.0)
        tables.append(torch.stack([log_probs.double().sum(1), is_token.double().sum(1)], 1).cpu().numpy())
    return np.concatenate(tables)


def measure_contributions(model: Any, tokenizer: Any, samples: Sequence[Sample]) -> list[Contribution]:
    """Measure what every layer's experts contribute: Shapley values of up to 6, leave-one-out of more."""
    whole = reference_log_likelihoods(model, tokenizer, samples)
    results = []
    for name, block in moe_blocks(model).items():
        parts = [f"expert {number}" for number in range(block.router.weight.shape[0])]
        values = {}
        for coalition in _coalitions_to_measure(parts):
            removed = [number for number, part in enumerate(parts) if part not in coalition]
            with without_experts(block, removed):
                table = reference_log_likelihoods(model, tokenizer, samples) if removed else whole
            values[coalition] = _corpus_statistics(samples, table)
        results.append(measure_contribution(name, parts, values, empty="the layer adds nothing"))
    return results


def _coalitions_to_measure(parts: Sequence[str]) -> list[Coalition]:
    everyone = frozenset(parts)
    if len(parts) <= MAX_MEMBERS:
        return all_coalitions(parts)
    return [everyone, frozenset(), *(everyone - {part} for part in parts)]


class _LogLikelihood(CorpusScore):
    """Mean log-likelihood of the references' tokens (nats), from sums of it and of tokens."""

    name = "log-likelihood"
    label = "log-likelihood"
    higher_is_better = True
    ceiling = 0.0

    def score(self, sums: FloatArray) -> FloatArray:
        return sums[..., 0] / sums[..., 1]


def _corpus_statistics(samples: Sequence[Sample], table: FloatArray) -> CorpusStatistics:
    ids = tuple(sample.id for sample in samples)
    signature = "mean log-likelihood of the references' tokens, nats"
    return CorpusStatistics(_LogLikelihood(), ids, table, len(ids), signature)
