"""Fewer experts: the same as the others out of the router's reach, in folders that load alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from components.errors import ConfigError, ModelError
from components.experts.reducing.clusters import Cluster, check_keep, choose_clusters
from components.experts.reducing.reduction import reduce_experts
from components.experts.reducing.sparse_checkpoint import SparseShape
from components.experts.reducing.sparse_layers import find_sparse_layers
from components.experts.reducing.trace import LayerTrace
from components.experts.routing_stats import LayerRoutingStats
from components.experts.upcycling import upcycle
from components.metrics.statistics.bootstrap import Estimate
from components.networks.moe.sparse_marian import SparseMarianMTModel
from tests.components.experts.sparse_models import forward, tiny
from tests.components.experts.test_upcycling import marian

KEPT = (0, 2, 3, 5)  # two of each group of DeepSeek's
ARCHITECTURES = (
    *("deepseek_v3", "ernie4_5_moe", "gpt_oss", "granitemoe", "minimax_m2", "mixtral", "olmoe", "phimoe"),
    *("qwen2_moe", "switch_transformers"),
)


def pruned(model: Any, kept: tuple[int, ...] = KEPT) -> Any:
    clusters = tuple(Cluster((expert,), (1.0,), expert) for expert in kept)
    return reduce_experts(model, dict.fromkeys(find_sparse_layers(model), clusters))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_folder_with_fewer_experts_loads_by_its_configuration_alone(kind: str, tmp_path: Path) -> None:
    model = tiny(kind)
    small = pruned(model)
    small.save_pretrained(tmp_path)
    auto = AutoModelForSeq2SeqLM if model.config.is_encoder_decoder else AutoModelForCausalLM
    loaded = auto.from_pretrained(tmp_path).eval()
    assert [layer.n_experts for layer in find_sparse_layers(loaded).values()] == [4, 4][
        : len(find_sparse_layers(model))
    ]
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    assert torch.allclose(forward(small).logits, forward(loaded).logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["mixtral", "qwen2_moe", "olmoe", "gpt_oss"])
def test_a_pruned_model_is_the_old_one_whose_router_cannot_choose_the_others(kind: str) -> None:
    model, gone = tiny(kind), [1, 4]
    expected = pruned(model)
    before = forward(model).logits
    for name in find_sparse_layers(model):
        block = model.get_submodule(name)
        router = getattr(block, "gate", None) or block.router

        def mask(module: Any, inputs: Any, output: Any) -> Any:
            logits = torch.nn.functional.linear(
                inputs[0].reshape(-1, 32), module.weight, getattr(module, "bias", None)
            )
            logits[:, gone] = -torch.inf
            if kind == "gpt_oss" or kind == "mixtral":
                values, chosen = logits.topk(2, -1)
                return logits, values.softmax(-1), chosen
            gates, chosen = logits.softmax(-1).topk(2, -1)
            return logits, gates / gates.sum(-1, keepdim=True) if module.norm_topk_prob else gates, chosen

        router.register_forward_hook(mask)
    assert torch.allclose(forward(expected).logits, forward(model).logits, atol=1e-5)
    assert not torch.allclose(forward(expected).logits, before, atol=1e-3)


def test_our_own_models_are_reduced(tmp_path: Path) -> None:
    model = upcycle([marian(0), marian(1)], experts=4, top_k=2)
    small = pruned(model, (1, 2))
    small.save_pretrained(tmp_path)
    loaded = SparseMarianMTModel.from_pretrained(tmp_path).eval()
    assert torch.equal(forward(small).logits, forward(loaded).logits)
    assert len(loaded.model.encoder.layers[0].fc1.router.weight) == 2


def test_merged_weights_are_the_mean_by_use_and_the_row_is_that_of_the_most_used() -> None:
    model = tiny("mixtral")
    clusters = (
        Cluster((0, 3), (0.25, 0.75), 3),
        Cluster((1, 2, 5), (0.5, 0.5, 0.0), 1),
        Cluster((4,), (1.0,), 4),
    )
    small = reduce_experts(model, dict.fromkeys(find_sparse_layers(model), clusters))
    old, new = model.state_dict(), small.state_dict()
    for layer in ("model.layers.0.mlp", "model.layers.1.mlp"):
        for tensor in ("experts.gate_up_proj", "experts.down_proj"):
            rows, got = old[f"{layer}.{tensor}"], new[f"{layer}.{tensor}"]
            assert torch.allclose(got[0], 0.25 * rows[0] + 0.75 * rows[3])
            assert torch.allclose(got[1], 0.5 * rows[1] + 0.5 * rows[2])
            assert torch.equal(got[2], rows[4])
        assert torch.equal(new[f"{layer}.gate.weight"], old[f"{layer}.gate.weight"][[3, 1, 4]])
    assert small.config.num_local_experts == 3
    assert model.config.num_local_experts == 6


def test_a_router_that_looks_tokens_up_is_refused() -> None:
    model = tiny("deepseek_v4")
    with pytest.raises(
        ModelError, match="tid2eid: expected a router that computes its choices, found a table"
    ):
        pruned(model)


def layer(load: tuple[int, ...], **measured: Any) -> LayerTrace:
    routing = LayerRoutingStats(load=load, entropy=1, by_language={"en": load}, by_class={})
    return LayerTrace(
        name="mlp", top_k=2, routing=routing, **{"saliency": tuple(map(float, load)), **measured}
    )


def test_the_most_important_are_kept_and_each_group_keeps_as_many() -> None:
    trace = layer(
        (9, 8, 7, 1, 2, 3),
        saliency=(1.0, 5.0, 4.0, 3.0, 3.0, 2.0),
        knock_out=tuple(Estimate(value=v, interval=None) for v in (0.0, -1.0, 3.0, 2.0, 0.5, 1.0)),
    )

    def rows(keep: int, by: str, groups: int = 1, seed: int = 0) -> list[int]:
        return [each.row for each in choose_clusters(trace, keep, by, "prune", groups, seed)]

    assert rows(3, "reap") == [1, 2, 3]  # of 3 and 4, which are equal, the first
    assert rows(3, "frequency") == [0, 1, 2]
    assert rows(2, "knock_out") == [2, 3]
    assert rows(4, "reap", groups=2) == [1, 2, 3, 4]
    assert rows(4, "random", seed=3) == rows(4, "random", seed=3)
    draws = [rows(2, "random", groups=2, seed=seed) for seed in range(300)]
    assert all(first < 3 <= second for first, second in draws)
    counts = Counter(expert for draw in draws for expert in draw)  # 100 each, +- 3.7 standard deviations
    assert all(70 <= counts[expert] <= 130 for expert in range(6))
    with pytest.raises(ModelError, match="mlp: expected a trace with knock_out, found none"):
        choose_clusters(layer((1, 2, 3)), 2, "knock_out", "prune")


def test_alike_experts_become_one() -> None:
    alike = [[1.0, 0.1, 0.9, 0.0], [0.1, 1.0, 0.2, 0.1], [0.9, 0.2, 1.0, 0.1], [0.0, 0.1, 0.1, 1.0]]
    trace = layer((1, 5, 3, 0), similarity=tuple(map(tuple, alike)))
    assert choose_clusters(trace, 3, "reap", "merge") == (
        Cluster((1,), (1.0,), 1),
        Cluster((0, 2), (0.25, 0.75), 2),
        Cluster((3,), (1.0,), 3),
    )
    assert len(choose_clusters(trace, 4, "reap", "merge")) == 4
    assert [len(each.members) for each in choose_clusters(trace, 1, "reap", "merge")] == [4]
    with pytest.raises(ModelError, match="set similarity_tokens"):
        choose_clusters(layer((1, 2, 3)), 2, "reap", "merge")


@pytest.mark.parametrize(
    ("keep", "shape", "message"),
    [
        (1, SparseShape(8, 2), r"expected 2 \(experts that compute a token\) to 8"),
        (9, SparseShape(8, 2), "to 8 .*found 9"),
        (5, SparseShape(8, 2, 4, 2), "a multiple of 4, as the router chooses among 4 groups"),
        (4, SparseShape(8, 2, 4, 2), "at least 2 experts in each of 4 groups"),
        (8, SparseShape(16, 6, 4, 2), "at least 3 experts in each of 4 groups"),
    ],
)
def test_numbers_of_experts_that_a_layer_cannot_have_are_refused(
    keep: int, shape: SparseShape, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_keep(keep, shape)
    check_keep(shape.n_experts, shape)
