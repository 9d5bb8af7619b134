"""Counts of routers against plain counting, and the warning of a collapse."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from components.errors import ModelError
from components.experts import routing_stats
from components.experts.routing_stats import TOKEN_CLASSES, LayerRoutingStats
from components.experts.sample_batches import Sample
from components.experts.upcycling import upcycle
from components.networks.moe.moe_block import record_routing
from components.networks.moe.sparse_marian import layer_masks
from tests.components.experts.test_upcycling import marian


class Tokenizer:
    """Words are numbers; 0 ends a sentence."""

    def __call__(self, text: str | None = None, text_target: str | None = None):
        return SimpleNamespace(input_ids=[*map(int, (text or text_target or "").split()), 0])

    def __len__(self) -> int:
        return 40

    def get_vocab(self) -> dict[str, int]:
        return {}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        names = {0: "</s>", 39: "<pad>", 1: ">>de<<", 2: "▁7", 3: "▁,"}
        return [names.get(i, f"▁w{'x' * (i % 3)}" if i % 2 else "end") for i in ids]


SAMPLES = [
    Sample("a", "de", "5 6 2", "8 9"),
    Sample("b", "fr", "3 7", "11 12 13 4"),
    Sample("c", "de", "9", "8"),
]


def test_counts_of_a_plain_loop() -> None:
    model = upcycle([marian()], experts=4, top_k=2)
    counters = routing_stats.empty_stats_of(model, ["de", "fr"])
    records = list(routing_stats.observe_routing(model, Tokenizer(), SAMPLES, counters, batch_size=2))
    layers = counters.summarize()
    assert [r.id for r in records] == ["a", "b", "c"]
    for sample, record in zip(SAMPLES, records, strict=True):
        source = torch.tensor([[*map(int, sample.source.split()), 0]])
        target = torch.tensor([[39, *map(int, sample.target.split())]])
        with torch.no_grad(), record_routing(model, layer_masks(source >= 0, target >= 0)) as seen:
            model(input_ids=source, decoder_input_ids=target)
        for item in seen:
            assert record.layers[item.layer] == tuple(item.routing.counts.tolist())
    for name, layer in layers.items():
        assert layer.load == tuple(map(sum, zip(*(r.layers[name] for r in records), strict=True)))
        french = tuple(map(sum, zip(*(r.layers[name] for r in records if r.language == "fr"), strict=True)))
        assert layer.by_language["fr"] == french
        assert tuple(map(sum, zip(*layer.by_class.values(), strict=True))) == layer.load
        assert 0 < layer.entropy <= 1
    assert sum(layers["model.encoder.layers.0.fc1"].by_class["end"]) == 2 * 3
    assert sum(layers["model.decoder.layers.0.fc1"].by_class["start"]) == 2 * 3


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        (">>de<<", "tag"),
        ("</s>", "end"),
        ("▁12", "number"),
        (".", "punctuation"),
        ("▁ein", "word"),
        ("en", "continuation"),
    ],
)
def test_kinds_of_tokens(piece: str, name: str) -> None:
    assert TOKEN_CLASSES[routing_stats.classify_token(piece)] == name


def layer(load: tuple[int, ...], by_language: dict[str, tuple[int, ...]] | None = None) -> LayerRoutingStats:
    return LayerRoutingStats(load=load, entropy=0.5, by_language=by_language or {"de": load}, by_class={})


def test_a_collapsed_router_is_told() -> None:
    lines = routing_stats.warn_of_collapse({"a": layer((96, 4, 0, 0)), "b": layer((30, 30, 20, 20))})
    assert len(lines) == 1
    assert "collapsed router in a: 2 of 4 experts" in lines[0]
    assert "raise balance_loss_weight" in lines[0]


def test_variation_and_specialisation() -> None:
    assert layer((5, 5, 5)).variation == 0
    assert layer((9, 0, 0)).variation == pytest.approx(math.sqrt(2))
    assert layer((2, 2), {"de": (2, 0), "fr": (0, 2)}).specialization == pytest.approx(1)
    assert layer((2, 2), {"de": (1, 1), "fr": (1, 1)}).specialization == pytest.approx(0)


def test_a_dense_model_has_no_routers() -> None:
    with pytest.raises(ModelError, match="expected a model with experts"):
        routing_stats.empty_stats_of(marian(), ["de"])
