"""The diagonal of the empirical Fisher information: the mean of squared gradients of log p(labels)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

FLOOR = 1e-6
"""Added to every element, so that weights without a gradient anywhere have the mean of the models."""


def measure_fisher(model: Any, examples: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Measure how much each weight matters for the labels of a model's own data.

    Matena & Raffel 2022, with the labels of the data as samples and, as in their code, a factor that gives
    every model the same weight: the inverse of the norm of all its elements.

    Args:
        model: a transformers model with a ``loss`` that is a mean over the tokens of ``labels`` (but for the
            first one, which a decoder alone does not predict).
        examples: arguments of its ``forward``, one example each.

    Returns:
        A float32 tensor of the weight's shape for each parameter that has a gradient.
    """
    totals: dict[str, Tensor] = {}
    count = 0
    model.eval()
    with torch.enable_grad():
        for example in examples:
            model.zero_grad(set_to_none=True)
            labels = example["labels"] if model.config.is_encoder_decoder else example["labels"][:, 1:]
            (model(**example).loss * int((labels != -100).sum())).backward()
            count += 1
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    square = parameter.grad.float().square()
                    totals[name] = totals[name].add_(square) if name in totals else square
    model.zero_grad(set_to_none=True)
    norm = float(torch.stack([total.norm() for total in totals.values()]).norm()) / max(count, 1)
    return {name: total.div_(count).add_(FLOOR).div_(norm + FLOOR) for name, total in totals.items()}
