"""What each expert of a sparse layer contributes: the references' likelihood without it in the router.

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

from components.ensembling.contribution import MOST, Coalition, coalitions
from components.experts.layer import SparseBlock, sparse_blocks, watched
from components.experts.marian import masks_of
from components.experts.router import Router, Routing, route
from components.experts.telemetry import Sample, example_of
from components.metrics.contribution import Contribution, contribution
from components.metrics.sufficient import Statistics, Table
from components.training.batches import collate


class _Masked(nn.Module):
    """A router that never chooses some experts."""

    def __init__(self, router: Router, gone: Collection[int]) -> None:
        super().__init__()
        self.router, self.gone = router, sorted(gone)
        self.weight = router.weight

    def forward(self, x: Tensor) -> Routing:
        logits = self.router(x).logits.index_fill(-1, torch.tensor(self.gone, device=x.device), -torch.inf)
        return route(logits, min(self.router.k, logits.shape[-1] - len(self.gone)))


@contextmanager
def without(block: SparseBlock, gone: Collection[int]) -> Iterator[None]:
    """Inside, the experts ``gone`` (by number) of a layer are never chosen; without any it puts out zeros."""
    router = block.router
    if not gone:
        yield
    elif len(set(gone)) == router.weight.shape[0]:
        hook = block.register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
        try:
            yield
        finally:
            hook.remove()
    else:
        block.router = _Masked(router, gone)  # type: ignore[assignment]
        try:
            yield
        finally:
            block.router = router


@torch.no_grad()
def likelihoods(model: Any, tokenizer: Any, samples: Sequence[Sample], batch_size: int = 64) -> Table:
    """(n, 2): the log-likelihood (nats) of each sample's reference, and its tokens."""
    model.eval()
    found = []
    for start in range(0, len(samples), batch_size):
        rows = [example_of(tokenizer, one) for one in samples[start : start + batch_size]]
        batch = collate(rows, model.config.pad_token_id).to(model.device)
        real = batch.labels != -100
        with watched(model, masks_of(batch.mask, real)):
            logits = model(
                input_ids=batch.source,
                attention_mask=batch.mask,
                decoder_input_ids=batch.inputs,
                use_cache=False,
            ).logits
        labels = batch.labels.clamp_min(0)[..., None]
        said = logits.float().log_softmax(-1).gather(-1, labels).squeeze(-1).masked_fill(~real, 0.0)
        found.append(torch.stack([said.double().sum(1), real.double().sum(1)], 1).cpu().numpy())
    return np.concatenate(found)


def contributions(model: Any, tokenizer: Any, samples: Sequence[Sample]) -> list[Contribution]:
    """Every sparse layer's experts: exact Shapley values of at most 6, leave-one-out of more."""
    whole = likelihoods(model, tokenizer, samples)
    found = []
    for name, block in sparse_blocks(model).items():
        parts = [f"expert {number}" for number in range(block.router.weight.shape[0])]
        values = {}
        for kept in _sets(parts):
            gone = [number for number, part in enumerate(parts) if part not in kept]
            with without(block, gone):
                table = likelihoods(model, tokenizer, samples) if gone else whole
            values[kept] = _statistics(samples, table)
        found.append(contribution(name, parts, values, empty="the layer adds nothing"))
    return found


def _sets(parts: Sequence[str]) -> list[Coalition]:
    everyone = frozenset(parts)
    if len(parts) <= MOST:
        return coalitions(parts)
    return [everyone, frozenset(), *(everyone - {part} for part in parts)]


def _statistics(samples: Sequence[Sample], table: Table) -> Statistics:
    ids = tuple(sample.id for sample in samples)
    mean = "mean log-likelihood of the references' tokens, nats"
    return Statistics("log-likelihood", ids, table, lambda t: t[0] / t[1], True, len(ids), mean)
