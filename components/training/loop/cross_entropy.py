"""The training loss of translation models: label-smoothed cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.nn import functional

from components.training.examples.batches import Batch


def mean_per_token(losses: Iterable[tuple[Tensor | float, int]]) -> float:
    """Return the mean loss per token of batches: of each its mean, and the number of its tokens."""
    total, tokens = 0.0, 0
    for mean, count in losses:
        total, tokens = total + float(mean) * count, tokens + count
    return total / tokens


def target_logits(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Compute the logits at the target positions of a batch. Padding does not reach the output layer.

    Returns:
        Logits (N, V), float32, at the N target positions that are not padding, and their labels (N,).
    """
    hidden = model.model(
        input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.inputs, use_cache=False
    ).last_hidden_state
    real = batch.labels != -100
    return model.lm_head(hidden[real]).float(), batch.labels[real]


def label_smoothing_loss(model: Any, batch: Batch, smoothing: float) -> tuple[Tensor, int]:
    """Compute the label-smoothed cross-entropy of a batch.

    Args:
        model: a Marian model.
        batch: the batch.
        smoothing: probability that is spread over the whole vocabulary (Szegedy et al., 2016).

    Returns:
        The mean, nats per target token (a float32 scalar), and the number of target tokens.
    """
    scores, labels = target_logits(model, batch)
    return functional.cross_entropy(scores, labels, label_smoothing=smoothing), labels.numel()
