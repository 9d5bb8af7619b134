"""Sparse computation in a tensor and in an ensemble: arithmetic left against time left.

The experts between the two levels are in :mod:`benchmarks.speed.experts`, which also holds the stopwatch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import MarianConfig, MarianMTModel

from benchmarks.common.cpu_timer import measure, ratio_to_best
from components.compute.layers.packed_linear import PackedLinear
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from components.pruning.masks import mask_by_magnitude
from components.pruning.sparse_linear import Layout, SparseLinear, multiply_active_units

LAYOUT: dict[str, Layout] = {"block": "bsr", "single": "csr"}
TOKENS = (1, 16, 256)


@torch.inference_mode()
def measure_sparse_products(rounds: int) -> list[dict[str, Any]]:
    """Share of the multiplications left, and of the time of a plain and of a prepacked product."""
    rows: list[dict[str, Any]] = []
    up, down = torch.randn(2048, 512), torch.randn(512, 2048)
    for pattern, layout in LAYOUT.items():
        for keep in (0.5, 0.25, 0.1, 0.05):
            sparse = SparseLinear(up * mask_by_magnitude(up, pattern, keep), None, layout)
            for tokens in TOKENS:
                left = _against(sparse, up, torch.randn(tokens, 512), rounds)
                what = f"{pattern} ({layout}), {keep:.0%} kept"
                rows.append({"what": what, "tokens": tokens, "arithmetic": keep, **left})
    units = down.T.contiguous()
    for tokens in TOKENS:
        hidden = torch.relu(torch.randn(tokens, 2048) - 1.0)
        alive = hidden.any(0).float().mean().item()
        left = _against(lambda x: multiply_active_units(x, units), down, hidden, rounds)
        what = "units off after ReLU (16% on) skipped"
        rows.append({"what": what, "tokens": tokens, "arithmetic": alive, **left})
    return rows


def _against(sparse: Callable[[Tensor], Tensor], weight: Tensor, x: Tensor, rounds: int) -> dict[str, float]:
    packed = PackedLinear(weight)
    calls = {"plain": lambda: functional.linear(x, weight), "packed": lambda: packed(x)}
    spent = measure({"sparse": lambda: sparse(x), **calls}, rounds, 0.03)
    return {name: ratio_to_best(spent, "sparse", [name]) for name in calls}


def measure_sparse_ensemble(rounds: int) -> list[dict[str, Any]]:
    """Two random Marian models in one search: calls and time with and without weight on the second."""
    ids = torch.randint(2, 900, (8, 12), generator=torch.Generator().manual_seed(0))
    config = MarianConfig(
        **{
            "vocab_size": 1000,
            "d_model": 256,
            "encoder_layers": 3,
            "decoder_layers": 3,
            "encoder_ffn_dim": 512,
        },
        **{"decoder_ffn_dim": 512, "encoder_attention_heads": 4, "decoder_attention_heads": 4},
        **{
            "pad_token_id": 999,
            "eos_token_id": 0,
            "decoder_start_token_id": 999,
            "max_position_embeddings": 64,
        },
        share_encoder_decoder_embeddings=True,
    )
    torch.manual_seed(0)
    models = [MarianMTModel(config) for _ in range(2)]
    for model in models:
        model.final_logits_bias[0, config.eos_token_id] = -1e9  # all searches take the same number of steps
    ready = [Seq2SeqModel(model, "vocabulary", f"{n}", "float32") for n, model in enumerate(models)]
    counted: dict[str, Counter[int]] = {}

    def run(weights: tuple[float, ...]) -> None:
        counted[str(weights)] = calls = Counter[int]()
        members = [scorer.build_scorer(input_ids=ids) for scorer in ready]
        search(
            members,
            SearchConfig(beam_size=1, max_new_tokens=20),
            combiner=LinearInterpolation(weights),
            calls=calls,
        )

    choices = [(0.5, 0.5), (1.0, 0.0)]
    spent = measure({str(w): lambda w=w: run(w) for w in choices}, rounds)
    return [
        {
            "weights": weights,
            "calls": [counted[str(weights)][member] for member in range(2)],
            "time": ratio_to_best(spent, str(weights), [str(choices[0])]),
        }
        for weights in choices
    ]
