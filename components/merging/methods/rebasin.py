"""Git Re-Basin: permute a model's units so that its weights are the nearest to another's (Ainsworth 2023).

The permuted model computes what it did; what changes is which mean or interpolation with the other makes
sense. Weight matching: group by group the best permutation for those of all other groups (a linear
assignment), until none gets better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.architecture.permutations import (
    QUERY_KEY,
    VALUE_OUT,
    Axes,
    PermutableAxes,
    find_permutable_axes,
)
from components.merging.io.tensor_task import TensorInput, TensorTask
from components.merging.methods.method import MergeFunction

MAX_ROUNDS = 100
Permutations = dict[str, Tensor]
"""Group -> for each place the unit that goes there."""


def prepare_rebasin(tasks: Sequence[TensorTask], config: Mapping[str, object]) -> MergeFunction:
    """Match the only other model to the base; both are read into memory.

    Args:
        tasks: every tensor of the output.
        config: the base's ``config.json``.

    Returns:
        What gives each tensor of the other model in the base's order of units.

    Raises:
        MergeError: The models are of no known architecture.
    """
    floats = [task for task in tasks if task.dtype.is_floating_point]
    axes = find_permutable_axes([task.name for task in floats], config)
    base = {task.name: _read(task, task.base) for task in floats}
    other = {task.name: _read(task, task.inputs[0]) for task in floats}
    permutations = match_weights(axes, base, other)

    def permuted(task: TensorTask) -> Iterator[Tensor]:
        whole = task.read(task.inputs[0], (0, task.numel)).view(task.shape)
        yield permute(whole, axes.by_tensor[task.name], permutations).contiguous().view(-1)

    return permuted


def _read(task: TensorTask, source: TensorInput | None) -> Tensor:
    if source is None:
        raise MergeError(f"{task.name}: expected a base_model, found none")
    return task.read(source, (0, task.numel)).float().view(task.shape)


def permute(tensor: Tensor, axes: Axes, permutations: Permutations, skip: int | None = None) -> Tensor:
    """Put the units along the axes of a tensor, but for axis ``skip``, into another order."""
    for axis, group in enumerate(axes):
        if axis != skip and group in permutations:
            tensor = tensor.index_select(axis, permutations[group])
    return tensor


def match_weights(
    axes: PermutableAxes, base: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> Permutations:
    """Find permutations of ``other``'s units that bring its weights near to ``base``'s.

    Args:
        axes: the groups of units.
        base: weights by name, float32.
        other: weights of the same names and shapes.

    Returns:
        A permutation of every group.
    """
    permutations: Permutations = {}
    for _ in range(MAX_ROUNDS):
        before = {group: order.clone() for group, order in permutations.items()}
        for group in axes.groups:
            permutations[group] = _assign(_similarity(axes, group, base, other, permutations))
        for attention, heads in axes.heads.items():
            _match_heads(attention, heads, axes, (base, other), permutations)
        if before and all(torch.equal(order, before[group]) for group, order in permutations.items()):
            break
    return permutations


def _similarity(
    axes: PermutableAxes,
    group: str,
    base: Mapping[str, Tensor],
    other: Mapping[str, Tensor],
    permutations: Permutations,
) -> Tensor:
    """Inner products (places, units) of all weights of each unit, the other axes as they are permuted now."""
    total: Tensor | None = None
    for name, groups in axes.by_tensor.items():
        for axis, own in enumerate(groups):
            if own == group:
                moved = permute(other[name], groups, permutations, skip=axis)
                a, b = (
                    t.movedim(axis, 0).flatten(1) if t.dim() > 1 else t[:, None] for t in (base[name], moved)
                )
                product = a.double() @ b.double().T
                total = product if total is None else total + product
    if total is None:
        raise MergeError(f"git_rebasin: expected tensors of {group}, found none")
    return total


def _assign(similarity: Tensor) -> Tensor:
    """Return the unit for each place, so that the sum of similarities is the largest."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - takes longer than a small merge

    return torch.from_numpy(linear_sum_assignment(similarity.numpy(), maximize=True)[1])


def _match_heads(
    attention: str,
    heads: int,
    axes: PermutableAxes,
    models: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    permutations: Permutations,
) -> None:
    """Match the heads of an attention, and the dimensions inside of each."""
    groups = [f"{attention} {kind}" for kind in (QUERY_KEY, VALUE_OUT)]
    tables = [_similarity(axes, group, *models, permutations) for group in groups]
    size = len(tables[0]) // heads
    inner: dict[tuple[int, int, int], Tensor] = {}
    similarity = torch.zeros(heads, heads, dtype=torch.float64)
    for which, table in enumerate(tables):
        blocks = table.view(heads, size, heads, size)
        for place in range(heads):
            for head in range(heads):
                block = blocks[place, :, head, :]
                order = inner[which, place, head] = _assign(block)
                similarity[place, head] += block[torch.arange(size), order].sum()
    head_order = _assign(similarity).tolist()
    for which, group in enumerate(groups):
        permutations[group] = torch.cat([h * size + inner[which, p, h] for p, h in enumerate(head_order)])
