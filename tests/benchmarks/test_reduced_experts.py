"""What the page of removed experts computes, on outputs whose losses are planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.quality.reduced_experts.domains import DOMAINS, DataSets
from benchmarks.quality.reduced_experts.graph import EXPERTS, WHOLE, make_graph, model_of, node_of, systems
from benchmarks.quality.reduced_experts.study import Study, subset_costs
from components.pipeline.reading.reader import read_pipeline

LAYERS, TEXTS, TOKENS = 2, 12, 10


def planted(seed: int) -> dict[str, Any]:
    """A seed whose experts each cost a number of nats a token, alone and summed."""
    rng = np.random.default_rng(seed)
    costs = rng.permutation(LAYERS * EXPERTS).reshape(LAYERS, EXPERTS) / 100
    n = TEXTS * len(DOMAINS)
    base = -rng.uniform(20, 30, n)

    def without(cost: float) -> list[float]:
        return [float(nats) for nats in base - cost * TOKENS]

    halves = [[rng.permutation(EXPERTS)[:4].tolist() for _ in range(LAYERS)] for _ in range(20)]
    lost = {WHOLE: 0.0, "REAP 4": 0.05, **{f"random {draw} 4": 0.1 * draw for draw in (1, 2, 3)}}
    return {
        "domains": [DOMAINS[i % len(DOMAINS)] for i in range(n)],
        "losses": {system: [[x, TOKENS] for x in without(cost)] for system, cost in lost.items()},
        "without": [[without(cost) for cost in row] for row in costs],
        "subsets": [
            {"removed": half, "log_likelihoods": without(sum(costs[i][e].sum() for i, e in enumerate(half)))}
            for half in halves
        ],
        "trace": [
            {"layer": f"encoder.layers.{i}", "load": (10 - 100 * row).tolist(), "saliency": row.tolist(),
             "knock_out": [{"value": 2 * x, "interval": [x, 3 * x]} for x in row]}
            for i, row in enumerate(costs)
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Study:
    return Study([planted(1), planted(2)])


def test_losses_are_nats_a_token_and_random_is_the_mean_of_its_draws(study: Study) -> None:
    assert study.compare("loss", "REAP 4", WHOLE).difference == pytest.approx(0.05)
    assert study.compare("loss", "random 4", WHOLE).difference == pytest.approx(0.2)
    against_chance = study.compare("loss", "REAP 4", "random 4")
    assert against_chance.difference == pytest.approx(-0.15)
    assert against_chance.interval == pytest.approx((-0.15, -0.15))  # of every text and seed alike


def test_importance_is_ranked_within_layers_and_summed_over_halves(study: Study) -> None:
    for measure, sign in (("knock-out", 1), ("REAP", 1), ("frequency", -1)):
        assert study.agreement(measure).value == pytest.approx(sign), measure
    assert study.foresight("knock-out").value == pytest.approx(1)
    assert study.foresight("frequency").value < -0.5
    cheaper = [int((subset_costs(seed) < 0.05).sum()) for seed in study.seeds]
    assert study.random_halves_that_cost_less("REAP 4") == cheaper


def test_the_graph_has_a_model_for_every_system_and_no_fault() -> None:
    dense = dict.fromkeys(DOMAINS[1:], ("a.en,a.de", "b.en,b.de"))
    sets = DataSets(dense, "mixed.jsonl", "val.jsonl", "test.jsonl", prompts=[["a"]] * EXPERTS)
    graph = make_graph(sets, seed=1, steps=30)
    names = [WHOLE, *systems(1)]
    assert all(model_of(name) in graph for name in names)
    assert len({node_of(name) for name in names}) == len(names)
    read_pipeline({"nodes": graph, "outputs": {"translation": "whole"}})
