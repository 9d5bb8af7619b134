"""Meta-learning: initial weights from which a few updates on a little data go far.

An episode adapts the weights to a task by a few plain gradient steps on its support batches, and measures the
adapted weights on the task's query batch, which shares no pair with the support.

===============  =======================================================================================
``maml``         gradient of the query loss through the inner steps, second order (Finn et al. 2017)
``first-order``  the same with the inner gradients held constant (Finn et al. 2017, first-order MAML)
``reptile``      initial minus moved weights after steps on support and query alike (Nichol et al. 2018)
===============  =======================================================================================

Gu et al. 2018 use the first two for translation into low-resource languages. Each row of METHODS gives a
scalar whose gradient with respect to the initial weights is the meta-gradient and whose value is the
query loss, so that any optimizer and any loop can take it. Second order needs attention that can be
differentiated twice: ``eager``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

Weights = dict[str, Tensor]
LossOf = Callable[[Mapping[str, Tensor], Any], Tensor]
"""Loss (a scalar) of the model with these weights on one batch."""


def functional_loss(model: nn.Module, loss: Callable[[nn.Module, Any], Tensor]) -> LossOf:
    """Make ``loss(model, batch)`` a function of the weights as well; tied weights change together."""

    class ModelWithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> Tensor:
            return loss(self.model, batch)

    model_with_loss = ModelWithLoss()

    def call(weights: Mapping[str, Tensor], batch: Any) -> Tensor:
        named = {f"model.{name}": value for name, value in weights.items()}
        value: Tensor = functional_call(model_with_loss, named, (batch,))
        return value

    return call


def trainable_weights(model: nn.Module) -> Weights:
    """Return the weights that are trained, by name, tied ones once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def adapt(loss: LossOf, weights: Weights, support: Sequence[Any], rate: float, graph: bool) -> Weights:
    """Take one gradient step of size ``rate`` on each support batch.

    Args:
        loss: loss of the weights on a batch.
        weights: the initial weights, by name.
        support: the batches.
        rate: step size.
        graph: whether the steps themselves can be differentiated; if not, the adapted weights still depend on
            the initial ones, but the steps count as constants.

    Returns:
        The adapted weights, by name.
    """
    for batch in support:
        value = loss(weights, batch)
        gradients = torch.autograd.grad(value, list(weights.values()), create_graph=graph, allow_unused=True)
        weights = {
            name: weight if gradient is None else weight - rate * gradient
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
    return weights


def _maml(loss: LossOf, weights: Weights, support: Sequence[Any], query: Any, rate: float) -> Tensor:
    return loss(adapt(loss, weights, support, rate, graph=True), query)


def _first_order(loss: LossOf, weights: Weights, support: Sequence[Any], query: Any, rate: float) -> Tensor:
    return loss(adapt(loss, weights, support, rate, graph=False), query)


def _reptile(loss: LossOf, weights: Weights, support: Sequence[Any], query: Any, rate: float) -> Tensor:
    start = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    near_weights = adapt(loss, start, support, rate, graph=False)
    value = loss(near_weights, query).detach()
    adapted_weights = adapt(loss, near_weights, [query], rate, graph=False)
    # In units of the rate, so that one step's pseudo-gradient is that step's gradient.
    pull = sum(((start[n] - adapted_weights[n]).detach() / rate * w).sum() for n, w in weights.items())
    assert isinstance(pull, Tensor)
    return value + pull - pull.detach()


METHODS: dict[str, Callable[[LossOf, Weights, Sequence[Any], Any, float], Tensor]] = {
    "maml": _maml,
    "first-order": _first_order,
    "reptile": _reptile,
}
"""(loss, weights, support batches, query batch, inner rate) -> the scalar to differentiate."""


def split_episode(rows: Sequence[int], task_of: Sequence[int], parts: int) -> dict[int, list[list[int]]]:
    """Divide a batch into supports and queries.

    Rows are dealt out in turn, so that the parts have sentences of the same lengths. A task with fewer rows
    than parts is left out.

    Args:
        rows: the batch, as indices of examples.
        task_of: the task of every example.
        parts: number of supports, plus one for the query.

    Returns:
        For each task ``parts`` disjoint lists of rows: supports first, the query last.
    """
    by_task: dict[int, list[int]] = {}
    for row in rows:
        by_task.setdefault(task_of[row], []).append(row)
    return {
        task: [task_rows[part::parts] for part in range(parts)]
        for task, task_rows in sorted(by_task.items())
        if len(task_rows) >= parts
    }
