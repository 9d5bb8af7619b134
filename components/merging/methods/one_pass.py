"""Merging of task vectors with one pass over a piece: deltas are computed where they are used, never stored.

The bits are those of the operators in :mod:`~components.merging.methods.task_vectors.task_arithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from components.kernels.task_vectors import Delta, Sum, fuses, merge_deltas
from components.merging.io.tensor_task import CachedPieces, TensorTask
from components.merging.methods.task_vectors.sparsify import Sparsifier

MIN_DIVISOR = 1e-8
"""Sums of weights that are smaller divide nothing."""


def plan_one_pass(task: TensorTask, sparsifiers: Sequence[Sparsifier], *, elects_sign: bool) -> Sum | None:
    """Return how one pass over the weights merges a tensor; None where it cannot.

    Args:
        task: the tensor; its base is needed.
        sparsifiers: one for each input.
        elects_sign: whether only deltas that agree with an elected sign are added.
    """
    kinds = {sparsifier.kind for sparsifier in sparsifiers}
    is_other_election = elects_sign and task.parameters["semantics"] != "mergekit"
    if None in kinds or is_other_election or not task.numel or task.device.type != "cpu":
        return None
    if not fuses(task.dtype, len(sparsifiers)):
        return None
    weights = torch.tensor([source.float_parameter("weight") for source in task.inputs], dtype=task.dtype)
    divisor = float(weights.sum())
    divides = task.parameters["normalize"] and (elects_sign or abs(divisor) >= MIN_DIVISOR)
    factor = task.parameters["lambda"]
    return Sum(
        weights=weights.tolist(),
        kind=next((kind for kind in kinds if kind not in (None, "all")), "all"),
        scaled=bool(task.parameters["rescale"]),
        elects_sign=elects_sign,
        divisor=divisor if divides else None,
        factor=1.0 if factor is None else float(factor),
    )


def merge_in_one_pass(task: TensorTask, sparsifiers: Sequence[Sparsifier], how: Sum) -> Iterator[Tensor]:
    """Merge the deltas of one tensor and add them to the base; see ``task_arithmetic``.

    Args:
        task: the tensor; its base is needed.
        sparsifiers: one for each input, new.
        how: how sparsified deltas are added up.

    Yields:
        The merged tensor in flat pieces, of the arithmetic's type.
    """
    pieces = _stored_pieces(task)
    for number in range(max(sparsifier.passes for sparsifier in sparsifiers)):
        for sparsifier in sparsifiers:
            sparsifier.begin_pass(number)
        for base, models in pieces:
            for sparsifier, model in zip(sparsifiers, models, strict=True):
                sparsifier.measure_unstored(number, Delta(model, base))
    for sparsifier in sparsifiers:
        sparsifier.rewind()
    for base, models in pieces:
        deltas = [Delta(model, base) for model in models]
        selections = [sparsifier.select(delta) for sparsifier, delta in zip(sparsifiers, deltas, strict=True)]
        yield merge_deltas(base, models, selections, how)


def _stored_pieces(task: TensorTask) -> CachedPieces[tuple[Tensor, list[Tensor]]]:
    """Return pieces of the base and of all models, to iterate over as often as needed."""

    def read() -> Iterator[tuple[Tensor, list[Tensor]]]:
        assert task.base is not None
        for span in task.spans(whole_rows=True):
            yield task.read(task.base, span), [task.read(source, span) for source in task.inputs]

    return CachedPieces(read, task.numel * task.dtype.itemsize * (len(task.inputs) + 1))
