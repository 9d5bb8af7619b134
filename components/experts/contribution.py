"""Contribution of each expert of a layer: the references' likelihood when the router cannot choose it.

In our models an expert that is gone gets a router logit of minus infinity, so its tokens go to the next best
ones; with fewer experts left than k, those compute. In transformers' models its gate becomes zero and the
token's other gates have its share. A layer without any expert adds nothing (the residual passes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from components.attribution.contribution import Contribution, measure_contribution
from components.experts.reducing.sparse_layers import find_sparse_layers
from components.experts.sample_batches import Sample, iterate_batches
from components.metrics.metric import CorpusScore
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.shapley import MAX_MEMBERS, Coalition, all_coalitions


@torch.no_grad()
def reference_log_likelihoods(
    model: Any, tokenizer: Any, samples: Sequence[Sample], batch_size: int = 64
) -> FloatArray:
    """Return (n, 2): the log-likelihood (nats) of each sample's target, and its tokens."""
    model.eval()
    tables = []
    for batch in iterate_batches(model, tokenizer, samples, batch_size):
        logits, is_token = batch.run(model, logits=True), batch.labels != -100
        assert logits is not None
        labels = batch.labels.clamp_min(0)[..., None]
        log_probs = logits.float().log_softmax(-1).gather(-1, labels).squeeze(-1).masked_fill(~is_token, 0.0)
        tables.append(torch.stack([log_probs.double().sum(1), is_token.double().sum(1)], 1).cpu().numpy())
    return np.concatenate(tables)


def measure_contributions(
    model: Any,
    tokenizer: Any,
    samples: Sequence[Sample],
    *,
    shapley: bool = True,
    batch_size: int = 64,
    progress: Callable[[float], None] = lambda percent: None,
) -> list[Contribution]:
    """Measure what every layer's experts contribute: Shapley values of up to 6, leave-one-out of more.

    Args:
        model: a model with experts.
        tokenizer: its tokenizer.
        samples: texts.
        shapley: whether Shapley values are measured where they can be.
        batch_size: texts in a batch.
        progress: is told how far it is, in percent.
    """
    whole = reference_log_likelihoods(model, tokenizer, samples, batch_size)
    layers, results = find_sparse_layers(model), list[Contribution]()
    for number, (name, layer) in enumerate(layers.items()):
        parts = [f"expert {expert}" for expert in range(layer.n_experts)]
        values = {}
        for coalition in _coalitions_to_measure(parts, shapley=shapley):
            removed = [expert for expert, part in enumerate(parts) if part not in coalition]
            with layer.without(removed):
                table = reference_log_likelihoods(model, tokenizer, samples, batch_size) if removed else whole
            values[coalition] = _corpus_statistics(samples, table)
        results.append(measure_contribution(name, parts, values, empty="the layer adds nothing"))
        progress(100 * (number + 1) / len(layers))
    return results


def _coalitions_to_measure(parts: Sequence[str], *, shapley: bool) -> list[Coalition]:
    everyone = frozenset(parts)
    if shapley and len(parts) <= MAX_MEMBERS:
        return all_coalitions(parts)
    return list(dict.fromkeys([everyone, frozenset(), *(everyone - {part} for part in parts)]))


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
