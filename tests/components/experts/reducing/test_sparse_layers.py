"""Experts of transformers' models against the models themselves, and the list of architectures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components.errors import ModelError
from components.experts.reducing.sparse_layers import (
    REFUSED,
    ExpertPass,
    TransformersLayer,
    find_sparse_layers,
    is_experts_call,
    watch_experts,
)
from components.experts.upcycling import upcycle
from tests.components.experts.sparse_models import forward, tiny
from tests.components.experts.test_upcycling import marian

READ = (
    *(
        "afmoe",
        "aria_text",
        "cohere2_moe",
        "deepseek_v2",
        "deepseek_v3",
        "dots1",
        "ernie4_5_moe",
        "flex_olmo",
    ),
    *("glm4_moe", "gpt_oss", "granitemoe", "hunyuan_v1_moe", "minimax", "minimax_m2", "mixtral", "olmoe"),
    *("phimoe", "qwen2_moe", "qwen3_moe", "solar_open", "switch_transformers"),
)
REFUSED_HERE = {
    "doge": "rows of an embedding",
    "jetmoe": "called one by one",
    "llama4_text": "weighted inputs",
    "longcat_flash": "no weights",
    "nllb-moe": "experts 0 and 1",
    "qwen3": "expected a model with experts",
}


def passes(model: Any) -> tuple[dict[str, Any], list[ExpertPass], torch.Tensor]:
    layers, seen = find_sparse_layers(model), list[ExpertPass]()
    with watch_experts(layers, seen.append):
        logits = forward(model).logits
    return layers, seen, logits


@pytest.mark.parametrize("kind", READ)
def test_the_experts_of_an_architecture_are_read(kind: str) -> None:
    model = tiny(kind)
    before = forward(model).logits
    outputs: list[torch.Tensor] = []
    for name in find_sparse_layers(model):
        model.get_submodule(f"{name}.experts").register_forward_hook(lambda _m, _i, out: outputs.append(out))
    layers, seen, after = passes(model)
    assert torch.equal(before, after)  # nothing is changed by watching
    assert [each.layer for each in seen] == list(layers)
    for each, whole in zip(seen, list(outputs), strict=True):
        routing = each.routing
        assert routing.logits.shape == (10, 6)
        assert routing.counts.sum() == routing.experts.numel()
        assert all(len(set(row)) == len(row) for row in routing.experts.tolist())
        with torch.no_grad():  # the sum of gate x output is what the module itself gave
            parts = layers[each.layer].compute(each.hidden, routing.experts)
        assert torch.allclose((routing.gates[..., None] * parts).sum(1), whole.reshape(10, -1), atol=1e-5)


@pytest.mark.parametrize(
    "kind", ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "gpt_oss", "phimoe"]
)
def test_choices_are_those_of_the_models_own_router_logits(kind: str) -> None:
    model = tiny(kind)
    own = forward(model, output_router_logits=True).router_logits
    _, seen, _ = passes(model)
    assert len(own) == len(seen) == 2
    for logits, each in zip(own, seen, strict=True):
        assert torch.allclose(logits.reshape(10, 6).float(), each.routing.logits)
        expected = torch.bincount(logits.reshape(10, 6).topk(2).indices.flatten(), minlength=6)
        assert torch.equal(each.routing.counts, expected)


def test_our_own_layers_are_read_alike() -> None:
    model = upcycle([marian()], experts=4, top_k=2)
    for block in model.modules():
        if hasattr(block, "down"):
            torch.nn.init.normal_(block.down)
    layers, seen, _ = passes(model)
    for each in seen:
        block = model.get_submodule(each.layer)
        with torch.no_grad():
            parts = layers[each.layer].compute(each.hidden, each.routing.experts)
            whole = block(each.hidden)
        assert torch.allclose((each.routing.gates[..., None] * parts).sum(1), whole, atol=1e-5)


@pytest.mark.parametrize("kind", ["mixtral", "deepseek_v3", "switch_transformers"])
def test_without_an_expert_its_gate_is_zero_and_the_others_have_its_share(kind: str) -> None:
    model = tiny(kind)
    layers, seen, before = passes(model)
    first = seen[0]
    expert = int(first.routing.counts.argmax())
    layer = layers[first.layer]
    assert isinstance(layer, TransformersLayer)
    got: list[torch.Tensor] = []
    experts = model.get_submodule(f"{first.layer}.experts")
    with layer.without([expert]):
        hook = experts.register_forward_hook(lambda _m, _i, out: got.append(out.reshape(10, -1)))
        changed = forward(model).logits
        hook.remove()
    gates = first.routing.gates.clone()
    gates[first.routing.experts == expert] = 0
    total = gates.sum(-1, keepdim=True)
    gates = torch.where(total > 0, gates * first.routing.gates.sum(-1, keepdim=True) / total, gates)
    with torch.no_grad():
        expected = (gates[..., None] * layer.compute(first.hidden, first.routing.experts)).sum(1)
    assert torch.allclose(got[0], expected, atol=1e-5)
    assert not torch.allclose(before, changed)
    assert torch.equal(forward(model).logits, before)


@pytest.mark.parametrize("kind", REFUSED_HERE)
def test_what_cannot_be_read_is_refused_by_name(kind: str) -> None:
    with torch.device("meta"):
        model = tiny(kind)
    with pytest.raises(ModelError, match=REFUSED_HERE[kind]):
        find_sparse_layers(model)


NOT_READ = {"doge", "jetmoe", "llama4", "longcat_flash", "nllb_moe", "vitpose_backbone"}
"""Folders of transformers' models whose only sparse layers are refused."""


def _parameters_by_class(source: str) -> dict[str, list[str]]:
    """Class name -> the names of the first three parameters of its ``forward``, without ``self``."""
    head = r"def forward\(\s*self,\s*(\w+)[^,)]*(?:,\s*(\w+)[^,)]*)?(?:,\s*(\w+)[^,)]*)?"
    parts = (part for part in re.split(r"^class ", source, flags=re.MULTILINE)[1:])
    return {
        part.split("(")[0]: [name for name in found.groups() if name]
        for part in parts
        if (found := re.search(head, part))
    }


def test_every_architecture_with_experts_is_read_or_refused_by_name() -> None:
    pattern = re.compile(r"self\.experts\b|class \w*Experts\(|class \w*M[oO][eE]\w*\(nn\.Module\)")
    unread = set()
    for path in sorted((Path(transformers.__file__).parent / "models").glob("*/modeling_*.py")):
        source = path.read_text(encoding="utf-8")
        if not pattern.search(source):
            continue
        classes = _parameters_by_class(source)
        if not any(
            is_experts_call(parameters) and name not in REFUSED for name, parameters in classes.items()
        ):
            unread.add(path.parent.name)
            assert REFUSED.keys() & classes.keys(), path.name
    assert unread == NOT_READ
