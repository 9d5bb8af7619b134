"""Loss and schedules against the formulas, written plainly."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from components.training.config import TrainingConfig
from components.training.examples.batches import Example, collate
from components.training.loop.cross_entropy import label_smoothing_loss
from components.training.loop.train_step import SCHEDULES, learning_rate
from components.training.marian_model import build_marian


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_label_smoothing_is_the_formula(smoothing: float) -> None:
    config = TrainingConfig(vocab_size=64, num_layers=1, d_model=16, ffn_dim=16, num_heads=2, dropout=0.0)
    model = build_marian(config, 64).eval()
    examples = [Example((5, 6, 7, 0), (9, 10, 0)), Example((8, 0), (11, 12, 13, 14, 0))]
    value, count = label_smoothing_loss(model, collate(examples, 63), smoothing)
    total = 0.0
    for source, target in examples:  # one sentence at a time: no padding anywhere
        logits = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[63, *target[:-1]]])
        ).logits[0]
        for row, label in zip(logits.double(), target, strict=True):
            log_probs = row - torch.log(torch.exp(row).sum())
            expected = torch.full((64,), smoothing / 64, dtype=torch.float64)
            expected[label] += 1 - smoothing
            total -= float((expected * log_probs).sum().detach())
    assert count == 8
    assert value.item() == pytest.approx(total / 8, rel=1e-5)


def test_inverse_square_root() -> None:
    config = TrainingConfig(learning_rate=2e-3, warmup_steps=300)
    assert learning_rate(1, config) == pytest.approx(2e-3 / 300)
    assert learning_rate(150, config) == pytest.approx(1e-3)
    assert learning_rate(300, config) == pytest.approx(2e-3)
    for step in (301, 1200, 30_000):
        assert learning_rate(step, config) == pytest.approx(2e-3 * math.sqrt(300 / step))


def test_linear() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=100, max_steps=1100, lr_schedule="linear")
    assert learning_rate(100, config) == 1.0
    assert learning_rate(600, config) == pytest.approx(0.5)
    assert learning_rate(1100, config) == learning_rate(5000, config) == 0.0


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_schedule_jumps_after_the_warm_up(schedule: str) -> None:
    config = TrainingConfig(lr_schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(step, config) for step in range(1, 1000)]
    assert max(rates) == config.learning_rate
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < config.learning_rate / 200
