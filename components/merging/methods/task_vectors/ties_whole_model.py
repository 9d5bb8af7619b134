"""TIES as published (Yadav et al. 2023): whole models are measured before the first tensor is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.errors import MergeError
from components.merging.io.tensor_task import TensorTask
from components.merging.methods.task_vectors.sparsify import KeepAll, MaskSparsifier, Sparsifier
from components.merging.methods.task_vectors.streaming_topk import MagnitudeTopK
from components.merging.methods.task_vectors.task_arithmetic import (
    DeltaFamily,
    GlobalStatistics,
    apply_all,
    begin_pass,
    delta_pieces,
    elect_signs,
    measure_deltas,
    rewind,
)


def measures_whole_models(family: DeltaFamily | None, tasks: Sequence[TensorTask]) -> bool:
    """Return whether a merge of these floating-point tensors is TIES as published."""
    semantics = {str(task.parameters.get("semantics", "mergekit")) for task in tasks}
    is_ties = family is not None and family.elects_sign and family.sparsification == "magnitude"
    return is_ties and semantics == {"paper"}


def check_whole_models(family: DeltaFamily | None, tasks: Sequence[TensorTask]) -> None:
    """Raise :class:`MergeError` where TIES as published lacks what the recipe asks for; reads no weights."""
    floats = [task for task in tasks if task.dtype.is_floating_point]
    if measures_whole_models(family, floats):
        _make_sparsifiers(floats)


def compute_global_statistics(tasks: Sequence[TensorTask]) -> GlobalStatistics:
    """Measure every model over all its tensors: the threshold of its trim, and the majority's sign.

    Needs several passes over the weights, and memory for a few pieces.

    Args:
        tasks: every floating-point tensor of the output.

    Raises:
        MergeError: The recipe has weights or densities that the published method does not have.
    """
    sparsifiers = _make_sparsifiers(tasks)
    for number in range(max(sparsifier.passes for sparsifier in sparsifiers.values())):
        begin_pass(list(sparsifiers.values()), number)
        for task in tasks:
            for _, deltas in delta_pieces(task):
                measure_deltas(_select(sparsifiers, task), number, deltas)
    rewind(list(sparsifiers.values()))
    balance = 0.0
    for task in tasks:
        for _, deltas in delta_pieces(task):
            sparse = [delta.float() for delta in apply_all(_select(sparsifiers, task), deltas)]
            balance += float(elect_signs(sparse, 0.0).sum())
    rewind(list(sparsifiers.values()))
    return GlobalStatistics(sparsifiers, (balance > 0) - (balance < 0))


def _select(sparsifiers: Mapping[int, Sparsifier], task: TensorTask) -> list[Sparsifier]:
    return [sparsifiers[source.model_index] for source in task.inputs]


def _make_sparsifiers(tasks: Sequence[TensorTask]) -> dict[int, Sparsifier]:
    """Return one sparsifier per model, which keeps the share ``density`` of all its elements."""
    sizes: dict[int, int] = {}
    densities: dict[int, float] = {}
    types = {task.dtype for task in tasks}
    if len(types) > 1:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types))
        raise MergeError(
            f"semantics: paper compares all tensors with one another: expected one type, found {names}; "
            "set dtype"
        )
    for task in tasks:
        for source in task.inputs:
            if source.float_parameter("weight") != 1.0:
                raise MergeError(
                    f"{task.name}: semantics: paper has no weights: expected weight 1 for every model, found "
                    f"{source.float_parameter('weight')}; set lambda to the scale"
                )
            density = source.float_parameter("density")
            first = densities.setdefault(source.model_index, density)
            if first != density:
                raise MergeError(
                    f"{task.name}: semantics: paper trims whole models: expected one density for all tensors "
                    f"of a model, found {first} and {density}; leave gradients and filters out"
                )
            sizes[source.model_index] = sizes.get(source.model_index, 0) + task.numel
    sparsifiers: dict[int, Sparsifier] = {}
    for model, size in sizes.items():
        keep = max(1, int(densities[model] * size))
        if densities[model] >= 1.0:
            sparsifiers[model] = KeepAll()
        else:
            sparsifiers[model] = MaskSparsifier(MagnitudeTopK(keep, tasks[0].dtype), "none")
    return sparsifiers
