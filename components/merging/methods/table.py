"""The merge methods, one row each: paper, formula, and what mergekit, the paper and PEFT do differently.

A recipe chooses between them by ``semantics: mergekit`` (the default), ``paper`` or ``peft``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from components.merging.io.tensor_task import TensorTask
from components.merging.methods import averaging
from components.merging.methods.task_arithmetic import DeltaFamily, task_arithmetic
from components.merging.recipe.parameters import Parameter


class Method(NamedTuple):
    """One way to make a tensor out of several.

    Attributes:
        paper: Who published it.
        url: Where.
        formula: What it computes; d_i = x_i - base, and w_i is the ``weight`` of a model.
        trim: Over what the share ``density`` of the elements that are kept is counted.
        sign: How a sign is elected per element.
        denominator: What the sum is divided by.
        merge: Computes a tensor in flat pieces.
        parameters: By name.
        base: ``required`` or ``optional``, without parameters of its own, or ``counted`` like other models.
        min_models: How many models it takes at least, besides a base that is not counted.
        max_models: How many it takes at most; None for any number.
        family: For methods on task vectors.
    """

    paper: str
    url: str
    formula: str
    trim: str
    sign: str
    denominator: str
    merge: Callable[[TensorTask], Iterator[Tensor]]
    parameters: Mapping[str, Parameter]
    base: str = "optional"
    min_models: int = 1
    max_models: int | None = None
    family: DeltaFamily | None = None


WEIGHT = Parameter(float, None, "share of the model", per_model=True)
DENSITY = Parameter(float, 1.0, "share of each delta that is kept", per_model=True)
GAMMA = Parameter(float, 0.01, "share of the largest that is dropped too", per_model=True)
EPSILON = Parameter(float, 0.15, "half the spread of the probabilities to be kept", per_model=True)
SEMANTICS = Parameter(str, "mergekit", "mergekit, paper or peft, where they differ")
OF_SPARSIFICATION = {"magnitude_outliers": {"gamma": GAMMA}, "della_magprune": {"epsilon": EPSILON}}
"""Parameters that only one way to sparsify has."""


def _task_vector_method(
    paper: str, url: str, formula: str, notes: tuple[str, str, str], family: DeltaFamily, **defaults: bool
) -> Method:
    """A row for a method on task vectors; ``notes`` are its trim, sign and denominator."""
    parameters = {
        "weight": WEIGHT,
        "density": DENSITY,
        "normalize": Parameter(bool, defaults["normalize"], "divide by the (agreeing) weights"),
        "rescale": Parameter(bool, defaults["rescale"], "make up for what is dropped"),
        "lambda": Parameter(float, 1.0, "scale of the merged delta"),
        "semantics": SEMANTICS,
        "int8_mask": Parameter(bool, False, "mergekit's memory saver; no effect here"),
    }
    parameters |= OF_SPARSIFICATION.get(family.sparsification, {})
    merge = partial(task_arithmetic, family)
    return Method(paper, url, formula, *notes, merge, parameters, base="required", family=family)


_WEIGHTS = "mergekit: sum of weights; with normalize: false (default) none"
_AGREEING = (
    "mergekit: sum of the agreeing weights (0 counts as 1); peft: their number; paper: their number, weights "
    "must be 1 and lambda scales"
)
_ELECTION = (
    "mergekit: sign of sum(w_i d_i), 0 elects +; peft: of sum(d_i), 0 elects +; paper: of sum(d_i), 0 elects "
    "the sign of the whole model's majority"
)
_NO_SIGN = "none"
_TIES_TRIM = (
    "mergekit and peft: each tensor; paper: the whole model. Exactly max(1, int(density n)) elements; of "
    "equal magnitudes the first are kept (mergekit: an unstable sort's)"
)
_RANDOM_TRIM = "each element on its own, seeded by tensor and model"
_OUTLIERS_TRIM = "each tensor: drops the int(gamma n) largest, keeps the int(density n) largest of the rest"
_DELLA_TRIM = "each row: P(keep) rises with the rank from density - epsilon to density + epsilon"
_RESCALED = "; what is dropped is made up for by the L1 norm (mergekit) or 1/P(keep) (paper, peft)"

METHODS: dict[str, Method] = {
    "linear": Method(
        "Wortsman et al. 2022 (model soups)",
        "https://arxiv.org/abs/2203.05482",
        "sum(w_i x_i) / sum(w_i)",
        "none",
        _NO_SIGN,
        "sum of weights; with normalize: false none",
        averaging.linear,
        {"weight": WEIGHT, "normalize": Parameter(bool, True, "divide by the sum of the weights")},
        base="counted",
    ),
    "slerp": Method(
        "Shoemake 1985",
        "https://doi.org/10.1145/325165.325242",
        "sin((1-t)a)/sin(a) base + sin(t a)/sin(a) x, a the angle; linear where |cos a| > 0.9995",
        "none",
        _NO_SIGN,
        "none",
        averaging.slerp,
        {"t": Parameter(float, None, "0 = the base, 1 = the other model")},
        base="required",
        max_models=1,
    ),
    "nuslerp": Method(
        "mergekit",
        "https://github.com/arcee-ai/mergekit",
        "slerp with t = w_2 / (w_1 + w_2), of the models or, with a base, of their deltas",
        "none",
        _NO_SIGN,
        "sum of weights, inside t",
        averaging.nuslerp,
        {
            "weight": WEIGHT,
            "nuslerp_flatten": Parameter(bool, True, "one vector per tensor"),
            "nuslerp_row_wise": Parameter(bool, False, "vectors along the first axis, not the last"),
        },
        min_models=2,
        max_models=2,
    ),
    "passthrough": Method(
        "none (layer stacking, 'frankenmerging')",
        "https://github.com/arcee-ai/mergekit",
        "x, times scale where given",
        "none",
        _NO_SIGN,
        "none",
        averaging.passthrough,
        {"scale": Parameter(float, None, "factor", per_model=True, optional=True)},
        base="counted",
        max_models=1,
    ),
    "task_arithmetic": _task_vector_method(
        "Ilharco et al. 2023",
        "https://arxiv.org/abs/2212.04089",
        "base + lambda sum(w_i d_i)",
        ("none", _NO_SIGN, _WEIGHTS),
        DeltaFamily("none", elects_sign=False),
        normalize=False,
        rescale=False,
    ),
    "ties": _task_vector_method(
        "Yadav et al. 2023",
        "https://arxiv.org/abs/2306.01708",
        "base + lambda mean of the trimmed d_i that agree with the elected sign",
        (_TIES_TRIM, _ELECTION, _AGREEING),
        DeltaFamily("magnitude", elects_sign=True),
        normalize=True,
        rescale=False,
    ),
    "dare_ties": _task_vector_method(
        "Yu et al. 2024, with Yadav et al. 2023",
        "https://arxiv.org/abs/2311.03099",
        "base + lambda sum of the randomly dropped w_i d_i that agree with the elected sign",
        (_RANDOM_TRIM, _ELECTION, _AGREEING + _RESCALED),
        DeltaFamily("random", elects_sign=True),
        normalize=False,
        rescale=True,
    ),
    "dare_linear": _task_vector_method(
        "Yu et al. 2024",
        "https://arxiv.org/abs/2311.03099",
        "base + lambda sum(w_i drop(d_i))",
        (_RANDOM_TRIM, _NO_SIGN, _WEIGHTS + _RESCALED),
        DeltaFamily("random", elects_sign=False),
        normalize=False,
        rescale=True,
    ),
    "breadcrumbs": _task_vector_method(
        "Davari & Belilovsky 2023",
        "https://arxiv.org/abs/2312.06795",
        "base + lambda sum(w_i band(d_i))",
        (_OUTLIERS_TRIM, _NO_SIGN, _WEIGHTS),
        DeltaFamily("magnitude_outliers", elects_sign=False),
        normalize=False,
        rescale=False,
    ),
    "breadcrumbs_ties": _task_vector_method(
        "Davari & Belilovsky 2023, with Yadav et al. 2023",
        "https://arxiv.org/abs/2312.06795",
        "base + lambda sum of the banded w_i d_i that agree with the elected sign",
        (_OUTLIERS_TRIM, _ELECTION, _AGREEING),
        DeltaFamily("magnitude_outliers", elects_sign=True),
        normalize=False,
        rescale=False,
    ),
    "della": _task_vector_method(
        "Deep et al. 2024",
        "https://arxiv.org/abs/2406.11617",
        "base + lambda mean of the rank-dropped d_i that agree with the elected sign",
        (_DELLA_TRIM, _ELECTION, _AGREEING + _RESCALED),
        DeltaFamily("della_magprune", elects_sign=True),
        normalize=True,
        rescale=True,
    ),
    "della_linear": _task_vector_method(
        "Deep et al. 2024",
        "https://arxiv.org/abs/2406.11617",
        "base + lambda sum(w_i rankdrop(d_i))",
        (_DELLA_TRIM, _NO_SIGN, _WEIGHTS + _RESCALED),
        DeltaFamily("della_magprune", elects_sign=False),
        normalize=False,
        rescale=True,
    ),
}
"""mergekit's name of a method -> its row."""
