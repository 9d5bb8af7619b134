"""Microbatches have the gradient of the whole batch, and the same bits at every resumption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.training.loop.trainer import train
from components.training.parallel.microbatches import microbatch_seed, split_rows
from tests.components.training.toy_learner import ToyLearner, exported_weights, toy_settings


def test_microbatches_have_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    settings = toy_settings(dropout=0.0)
    whole = train(settings, tmp_path / "whole", make_learner=ToyLearner)
    cut = settings.model_copy(update={"num_microbatches": 3})
    parts = train(cut, tmp_path / "parts", make_learner=ToyLearner)
    assert parts.tokens == whole.tokens
    for row, other in zip(parts.history, whole.history, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)
    others = exported_weights(tmp_path / "parts")
    for name, tensor in exported_weights(tmp_path / "whole").items():
        torch.testing.assert_close(others[name], tensor, atol=1e-5, rtol=0)


def test_microbatches_of_a_resumed_training_draw_the_same(tmp_path: Path) -> None:
    config = toy_settings(num_microbatches=2)
    train(config, tmp_path / "whole", make_learner=ToyLearner)
    train(config.model_copy(update={"max_steps": 5}), tmp_path / "cut", make_learner=ToyLearner)
    torch.manual_seed(12345)
    train(config, tmp_path / "cut", make_learner=ToyLearner)
    whole, cut = (exported_weights(tmp_path / name) for name in ("whole", "cut"))
    assert all(torch.equal(tensor, cut[name]) for name, tensor in whole.items())
    with pytest.raises(ConfigError, match="expected a run with num_microbatches 2, found 1"):
        train(toy_settings(), tmp_path / "cut", make_learner=ToyLearner)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 8))
def test_microbatches_are_a_partition_of_about_equal_tokens(lengths: list[int], count: int) -> None:
    rows = list(range(len(lengths)))[::-1]
    parts = split_rows(rows, lengths, count)
    assert len(parts) == count
    assert [row for part in parts for row in part] == rows
    share = sum(lengths) / count
    assert all(sum(lengths[row] for row in part) <= share + max(lengths) for part in parts)


def test_every_microbatch_of_every_step_has_a_seed_of_its_own() -> None:
    seeds = [microbatch_seed(seed, step, n) for seed in range(3) for step in range(20) for n in range(8)]
    assert len(set(seeds)) == len(seeds)
