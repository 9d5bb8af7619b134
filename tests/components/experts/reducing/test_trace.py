"""The trace of a model's experts against plain loops, and knock-out against gates that are zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from components.errors import ModelError
from components.experts.reducing.sparse_layers import ExpertPass, find_sparse_layers, watch_experts
from components.experts.reducing.trace import ExpertTrace, report_tables, trace_experts
from components.experts.routing_stats import TOKEN_CLASSES, classify_vocabulary
from components.experts.sample_batches import Sample
from components.experts.upcycling import upcycle, upcycle_marian
from tests.components.experts.sparse_models import WordTokenizer, tiny
from tests.components.experts.test_routing_stats import SAMPLES, Tokenizer
from tests.components.experts.test_upcycling import marian

TEXTS = [
    Sample("a", "en", "", "5 6 2 9", "sport"),
    Sample("b", "en", "", "3 7"),
    Sample("c", "de", "", "9 8 30 31 11", "street"),
]


@pytest.fixture(scope="module")
def mixtral() -> Any:
    return tiny("mixtral")


@pytest.fixture(scope="module")
def trace(mixtral: Any) -> ExpertTrace:
    result, records = trace_experts(
        mixtral, WordTokenizer(), TEXTS, batch_size=2, similarity_tokens=5, knock_out=3
    )
    assert [record.id for record in records] == ["a", "b", "c"]
    for layer in result.layers:
        assert layer.routing.load == tuple(
            map(sum, zip(*(r.layers[layer.name] for r in records), strict=True))
        )
    return result


def passes_of(model: Any, sample: Sample) -> list[ExpertPass]:
    seen: list[ExpertPass] = []
    with torch.no_grad(), watch_experts(find_sparse_layers(model), seen.append):
        model(input_ids=torch.tensor([[*map(int, sample.target.split()), 2]]), use_cache=False)
    return seen


def expert_output(experts: Any, e: int, x: torch.Tensor) -> torch.Tensor:
    gate, up = (experts.gate_up_proj[e] @ x).chunk(2)
    return experts.down_proj[e] @ (functional.silu(gate) * up)


@torch.no_grad()
def test_saliency_likeness_and_counts_are_those_of_a_plain_loop(mixtral: Any, trace: ExpertTrace) -> None:
    for index, layer in enumerate(trace.layers):
        experts = mixtral.get_submodule(f"{layer.name}.experts")
        given: list[list[float]] = [[] for _ in range(6)]
        domains: dict[str, list[int]] = {"sport": [0] * 6, "street": [0] * 6, "": [0] * 6}
        cosines, compared = np.zeros((6, 6)), 0
        for sample in TEXTS:  # one text alone: padding of a batch must not count
            each = passes_of(mixtral, sample)[index]
            for x, chosen, gates in zip(each.hidden, each.routing.experts, each.routing.gates, strict=True):
                for e, gate in zip(chosen.tolist(), gates.tolist(), strict=True):
                    given[e].append(gate * float(expert_output(experts, e, x).norm()))
                    domains[sample.domain][e] += 1
                if compared < 5:
                    outputs = [functional.normalize(expert_output(experts, e, x), dim=0) for e in range(6)]
                    cosines += [[float(a @ b) for b in outputs] for a in outputs]
                    compared += 1
        assert layer.top_k == 2
        assert layer.routing.load == tuple(map(len, given))
        assert layer.routing.by_domain == {name: tuple(counts) for name, counts in domains.items()}
        assert layer.saliency == pytest.approx([np.mean(g) if g else 0.0 for g in given], rel=1e-4)
        assert np.allclose(layer.similarity, cosines / 5, atol=1e-5)


def mean_log_likelihood(model: Any, silent: tuple[int, int] | None = None) -> float:
    """Of the texts' tokens, with the gate of one layer's expert zero, in the model's own code."""
    total, count = 0.0, 0
    blocks = [m for n, m in model.named_modules() if n.endswith("mlp.gate")]

    def change(module: Any, inputs: Any, output: Any) -> Any:
        logits, gates, chosen = output
        others = torch.where(chosen == silent[1], torch.zeros(()), gates) if silent else gates
        return logits, others / others.sum(-1, keepdim=True), chosen

    hook = blocks[silent[0]].register_forward_hook(change) if silent else None
    for sample in TEXTS:
        ids = torch.tensor([[*map(int, sample.target.split()), 2]])
        with torch.no_grad():
            log_probs = model(input_ids=ids).logits.log_softmax(-1)
        total += float(log_probs[0, :-1].gather(-1, ids[0, 1:, None]).sum())
        count += ids.shape[1] - 1
    if hook:
        hook.remove()
    return total / count


def test_what_is_lost_without_an_expert_is_that_of_a_gate_of_zero(mixtral: Any, trace: ExpertTrace) -> None:
    whole = mean_log_likelihood(mixtral)
    for index, layer in enumerate(trace.layers):
        lost = [whole - mean_log_likelihood(mixtral, (index, e)) for e in range(6)]
        assert [each.value for each in layer.knock_out] == pytest.approx(lost, abs=1e-5)
        assert max(map(abs, lost)) > 1e-4


def test_tables_show_every_layer_and_expert(trace: ExpertTrace) -> None:
    layers, experts = report_tables(trace)
    assert [row["experts"] for row in layers.rows] == ["2 of 6", "2 of 6"]
    assert len(experts.rows) == 12
    assert experts.rows[0]["slots"] == str(trace.layers[0].routing.load[0])


def test_our_models_are_traced_alike() -> None:
    model = upcycle([marian()], experts=3, top_k=2)
    trace, records = trace_experts(model, Tokenizer(), SAMPLES, similarity_tokens=4)
    assert len(records) == 3
    for layer in trace.layers:  # copies of one block: all alike
        assert np.allclose(layer.similarity, 1.0)
        assert layer.routing.specialization >= 0
        assert not layer.knock_out


def test_kinds_of_tokens_of_a_causal_vocabulary() -> None:
    kinds = [TOKEN_CLASSES[kind] for kind in classify_vocabulary(WordTokenizer()).tolist()]
    assert kinds[:4] == ["start", "start", "end", "continuation"]  # <pad>, <s>, </s>, <unk>
    assert set(kinds[4:]) == {"number"}


def test_experts_that_choose_their_tokens_are_traced_without_padding() -> None:
    model = upcycle_marian(
        [marian()], num_local_experts=4, num_experts_per_tok=2, encoder_routing="expert_choice"
    ).eval()
    trace, records = trace_experts(model, Tokenizer(), SAMPLES, batch_size=3)
    for record, sample in zip(records, SAMPLES, strict=True):
        tokens = len(sample.source.split()) + 1
        assert record.layers["model.encoder.layers.0.fc1"] == (-(-2 * tokens // 4),) * 4
    assert trace.layers[0].routing.load == (5,) * 4  # of four, three and two tokens


def test_a_dense_model_has_no_trace() -> None:
    with pytest.raises(ModelError, match="expected a model with experts, found MarianMTModel"):
        trace_experts(marian(), Tokenizer(), SAMPLES)
