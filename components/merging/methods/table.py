"""The merge methods, one row each: paper, formula, and what mergekit, the paper and PEFT do differently.

A recipe chooses between them by ``semantics: mergekit`` (the default), ``paper`` or ``peft``.
"""

from __future__ import annotations

from functools import partial

from components.merging.methods import averaging, consensus, rebasin, spherical, two_models
from components.merging.methods.method import INT8_MASK, WEIGHT, Method
from components.merging.methods.subspace_rows import DATA_DRIVEN_ROWS, SUBSPACE_ROWS
from components.merging.methods.task_vectors.task_vector_rows import TASK_VECTOR_ROWS
from components.merging.recipe.parameters import Parameter

_MERGEKIT = "https://github.com/arcee-ai/mergekit"
_EPSILON = Parameter(float, 1e-5, "a change of at most this size is none", minimum=0)

AVERAGES: dict[str, Method] = {
    "linear": Method(
        "Wortsman et al. 2022 (model soups)",
        "https://arxiv.org/abs/2203.05482",
        "sum(w_i x_i) / sum(w_i)",
        averaging.linear,
        {"weight": WEIGHT, "normalize": Parameter(bool, True, "divide by the sum of the weights")},
        base="counted",
        denominator="sum of weights; with normalize: false none",
        check=averaging.check_weights,
    ),
    "slerp": Method(
        "Shoemake 1985",
        "https://doi.org/10.1145/325165.325242",
        "sin((1-t)a)/sin(a) base + sin(t a)/sin(a) x, a the angle; linear where |cos a| > 0.9995",
        averaging.slerp,
        {"t": Parameter(float, None, "0 = the base, 1 = the other model")},
        base="required",
        max_models=1,
    ),
    "nuslerp": Method(
        "mergekit",
        _MERGEKIT,
        "slerp with t = w_2 / (w_1 + w_2), of the models or, with a base, of their deltas",
        averaging.nuslerp,
        {
            "weight": WEIGHT,
            "nuslerp_flatten": Parameter(bool, True, "one vector per tensor"),
            "nuslerp_row_wise": Parameter(bool, False, "vectors along the first axis, not the last"),
        },
        min_models=2,
        max_models=2,
        denominator="sum of weights, inside t",
    ),
    "multislerp": Method(
        "Goddard 2025",
        "https://goddard.blog/posts/multislerp-wow-what-a-cool-idea",
        "sum(w_i |x_i|) m/|m|, m = sum(w_i x_i/|x_i|), of the models or, with a base, of their deltas; the "
        "step in the tangent space that the reference then makes is 0 in exact arithmetic",
        spherical.multislerp,
        {
            "weight": WEIGHT,
            "normalize_weights": Parameter(bool, True, "divide the weights by their sum"),
            "eps": Parameter(float, 1e-8, "added to norms", minimum=0),
        },
        check=partial(averaging.check_weights, switch="normalize_weights"),
    ),
    "karcher": Method(
        "Karcher 1977; mergekit",
        "https://en.wikipedia.org/wiki/Karcher_mean",
        "mean(|x_i|) u, u the point of the unit sphere whose geodesics to all x_i/|x_i| add up to 0",
        spherical.karcher,
        {
            "max_iter": Parameter(float, 10.0, "steps at most", minimum=1),
            "tol": Parameter(float, 1e-5, "a step, norm or angle below this size is none", minimum=0),
        },
        base="counted",
    ),
    "model_stock": Method(
        "Jang et al. 2024",
        "https://arxiv.org/abs/2403.19522",
        "t mean(x_i) + (1-t) base, t = N c/(1 + (N-1) c), c the mean cosine of two deltas",
        spherical.model_stock,
        {"filter_wise": Parameter(bool, False, "an angle for each row, not for the tensor")},
        base="required",
        min_models=2,
    ),
    "nearswap": Method(
        "alchemonaut 2024; mergekit",
        "https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
        "base + min(1, t/|d|) d",
        two_models.nearswap,
        {"t": Parameter(float, None, "a difference of at most this size is taken whole", minimum=0)},
        base="required",
        max_models=1,
    ),
    "arcee_fusion": Method(
        "mergekit",
        _MERGEKIT,
        "base + d where |d| KL(softmax(x row) | softmax(base row)) is at least the median + 1.5 times the "
        "distance of the quartiles; mergekit estimates these from a random million of elements",
        two_models.arcee_fusion,
        {},
        base="required",
        max_models=1,
    ),
    "git_rebasin": Method(
        "Ainsworth et al. 2023 (Git Re-Basin, weight matching)",
        "https://arxiv.org/abs/2209.04836",
        "x with its feed-forward units, heads and residual stream permuted to be the nearest to the base: a "
        "model of the same function, for another stage to merge with it; Marian, BART and Whisper",
        averaging.passthrough,
        {},
        base="required",
        min_models=1,
        max_models=1,
        prepare=rebasin.prepare_rebasin,
    ),
    "transplant_tokenizer": Method(
        "Goddard & Fernandes Neto 2025 (mergekit-tokensurgeon)",
        "https://arxiv.org/abs/2506.06607",
        "the base with the other model's tokenizer; rows of new tokens are sums of k shared tokens' rows, "
        "with the factors that orthogonal matching pursuit finds in the other model's embedding",
        averaging.passthrough,
        {"k": Parameter(float, 64.0, "shared tokens that a new one is made of", minimum=1)},
        base="required",
        max_models=1,
    ),
    "passthrough": Method(
        "none (layer stacking, 'frankenmerging')",
        _MERGEKIT,
        "x, times scale where given",
        averaging.passthrough,
        {"scale": Parameter(float, None, "factor", per_model=True, optional=True)},
        base="counted",
        max_models=1,
    ),
}
CONSENSUS: dict[str, Method] = {
    "sce": Method(
        "Wan et al. 2024 (FuseChat)",
        "https://arxiv.org/abs/2408.07990",
        "base + sum(v_i d_i) / sum(v_i) over the d_i of the elected sign, v_i the mean square of d_i",
        consensus.sce,
        {
            "select_topk": Parameter(
                float, 1.0, "share of the elements with the largest variance", minimum=0, maximum=1
            ),
            "int8_mask": INT8_MASK,
        },
        base="required",
        trim="each tensor: the elements whose variance over the models is largest",
        sign="of sum(d_i), 0 elects +",
        denominator="sum of the agreeing v_i",
    ),
    "ram": Method(
        "Reinforced Agent Merging 2026",
        "https://arxiv.org/abs/2601.13572",
        "base + the d_i that changed one model only + the mean of those that changed several",
        consensus.ram,
        {"epsilon": _EPSILON},
        base="required",
        denominator="number of the models that changed the element",
    ),
    "ramplus_tl": Method(
        "Reinforced Agent Merging 2026",
        "https://arxiv.org/abs/2601.13572",
        "ram with d_i of one model times 1 + r min(alpha, shared/unique), counted in the tensor",
        consensus.ramplus_tl,
        {
            "epsilon": _EPSILON,
            "r": Parameter(float, 0.1, "how much a share of shared changes counts"),
            "alpha": Parameter(float, 0.2, "bound of that share"),
        },
        base="required",
        denominator="number of the models that changed the element",
    ),
}
METHODS: dict[str, Method] = {
    **AVERAGES,
    **TASK_VECTOR_ROWS,
    **CONSENSUS,
    **SUBSPACE_ROWS,
    **DATA_DRIVEN_ROWS,
}
"""Name of a method, mergekit's where it has it -> its row."""
