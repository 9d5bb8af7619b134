"""Rows of the methods on task vectors: sparsify each delta, elect signs, add up."""

from __future__ import annotations

from functools import partial

from components.merging.methods.method import DENSITY, INT8_MASK, LAMBDA, SEMANTICS, WEIGHT, Method
from components.merging.methods.task_vectors.task_arithmetic import DeltaFamily, check_spread, task_arithmetic
from components.merging.recipe.parameters import Parameter

GAMMA = Parameter(
    float, 0.01, "share of the largest that is dropped too", per_model=True, minimum=0, maximum=1
)
EPSILON = Parameter(
    float, 0.15, "half the spread of the probabilities to be kept", per_model=True, minimum=0, maximum=1
)
OF_SPARSIFICATION = {"magnitude_outliers": {"gamma": GAMMA}, "della_magprune": {"epsilon": EPSILON}}
"""Parameters that only one way to sparsify has."""


def _task_vector_method(
    paper: str, url: str, formula: str, notes: tuple[str, str, str], family: DeltaFamily, **defaults: bool
) -> Method:
    """Return a row for a method on task vectors; ``notes`` are its trim, sign and denominator."""
    trim, sign, denominator = notes
    parameters = {
        "weight": WEIGHT,
        "density": DENSITY,
        "normalize": Parameter(bool, defaults["normalize"], "divide by the (agreeing) weights"),
        "rescale": Parameter(bool, defaults["rescale"], "make up for what is dropped"),
        "lambda": LAMBDA,
        "semantics": SEMANTICS,
        "int8_mask": INT8_MASK,
    }
    parameters |= OF_SPARSIFICATION.get(family.sparsification, {})
    return Method(
        paper,
        url,
        formula,
        partial(task_arithmetic, family),
        parameters,
        base="required",
        family=family,
        on_card=True,
        trim=trim,
        sign=sign,
        denominator=denominator,
        check=check_spread if family.sparsification == "della_magprune" else None,
    )


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

TASK_VECTOR_ROWS: dict[str, Method] = {
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
