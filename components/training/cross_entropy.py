"""The training loss of translation models: label-smoothed cross-entropy."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from components.training.batches import Batch


def target_logits(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (N, V), float32, at the N real target positions of a batch, and their labels (N,).

    Padding does not reach the output layer: it costs nothing there.
    """
    hidden = model.model(
        input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.inputs, use_cache=False
    ).last_hidden_state
    real = batch.labels != -100
    return model.lm_head(hidden[real]).float(), batch.labels[real]


def smoothed_cross_entropy(model: Any, batch: Batch, smoothing: float) -> tuple[Tensor, int]:
    """Mean label-smoothed cross-entropy (nats per target token, float32 scalar), and the token count.

    Smoothing spreads that much probability over the whole vocabulary (Szegedy et al., 2016).
    """
    scores, labels = target_logits(model, batch)
    return functional.cross_entropy(scores, labels, label_smoothing=smoothing), labels.numel()
