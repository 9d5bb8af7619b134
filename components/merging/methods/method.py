"""What a merge method is: a row of the table ``METHODS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from torch import Tensor

from components.merging.io.tensor_task import TensorTask
from components.merging.methods.task_vectors.task_arithmetic import DeltaFamily
from components.merging.recipe.parameters import Parameter

MergeFunction = Callable[[TensorTask], Iterator[Tensor]]
"""Computes a tensor in flat pieces."""


StatisticsKind = Literal["", "fisher", "layer_inputs", "merged_layer_inputs"]


class Method(NamedTuple):
    """One way to make a tensor out of several.

    Attributes:
        paper: who published it.
        url: where.
        formula: what it computes; d_i = x_i - base, and w_i is the ``weight`` of a model.
        merge: computes a tensor in flat pieces.
        parameters: by name.
        base: ``required`` or ``optional``, without parameters of its own, or ``counted`` like other models.
        min_models: how many models it takes at least, besides a base that is not counted.
        max_models: how many it takes at most; None for any number.
        family: for methods on task vectors.
        trim: over what the share ``density`` of the elements that are kept is counted.
        sign: how a sign is elected per element.
        denominator: what the sum is divided by.
        statistics: what it wants to know of each model from data: ``fisher``, ``layer_inputs``, or
            ``merged_layer_inputs``; empty for nothing.
        on_card: whether it can be computed on another device than the CPU.
        check: raises MergeError for values of a tensor's parameters that do not go together.
        prepare: makes what computes a tensor in the place of ``merge`` from all tensors of the output and the
            base's ``config.json``, for methods that look at whole models first.
    """

    paper: str
    url: str
    formula: str
    merge: MergeFunction
    parameters: Mapping[str, Parameter]
    base: str = "optional"
    min_models: int = 1
    max_models: int | None = None
    family: DeltaFamily | None = None
    trim: str = "none"
    sign: str = "none"
    denominator: str = "none"
    statistics: StatisticsKind = ""
    on_card: bool = False
    check: Callable[[TensorTask], None] | None = None
    prepare: Callable[[Sequence[TensorTask], Mapping[str, object]], MergeFunction] | None = None


WEIGHT = Parameter(float, None, "share of the model", per_model=True)
EQUAL_WEIGHT = Parameter(float, 1.0, "share of the model", per_model=True)
DENSITY = Parameter(float, 1.0, "share of each delta that is kept", per_model=True, minimum=0, maximum=1)
LAMBDA = Parameter(float, 1.0, "scale of the merged delta")
SEMANTICS = Parameter(str, "mergekit", "mergekit, paper or peft, where they differ")
INT8_MASK = Parameter(bool, False, "mergekit's memory saver; no effect here")
