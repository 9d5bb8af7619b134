"""The language learner: its loss equals transformers' own, and it learns to predict."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from components.training.config import TrainingConfig
from components.training.examples.batches import Example
from components.training.kinds.train import LEARNERS
from components.training.learners import language_model_learner
from components.training.loop import scoring
from components.training.loop.trainer import train
from tests.components.training.tiny import TINY, WORDS, draw_lines, write_copies


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    text = write_copies(tmp_path, draw_lines(80, 4, WORDS[:8]))
    size = {"d_model": 32, "ffn_dim": 64, "dropout": 0.0, "warmup_steps": 10, "learning_rate": 5e-3}
    budget = {"max_steps": 120, "eval_every": 60, "average_checkpoints": 1}
    values = {**TINY, **size, **budget, "kind": "language_model", "data": text, "dev": text}
    return TrainingConfig.model_validate(values)


def test_the_loss_is_that_of_transformers(config: TrainingConfig) -> None:
    model = language_model_learner.build_language_model(config, 20).eval()
    examples = [Example((), (3, 4, 5, 0)), Example((), (6, 0))]
    mine, count = language_model_learner.mean_loss(model, examples, 0.0)
    total = 0.0
    for example in examples:
        ids = torch.tensor([[19, *example.target]])
        total += model(input_ids=ids, labels=ids).loss.item() * len(example.target)
    assert count == 6
    assert mine.item() == pytest.approx(total / 6, abs=1e-5)


def test_learns_and_reports_perplexity(config: TrainingConfig, tmp_path: Path) -> None:
    state = train(config, tmp_path / "out", make_learner=LEARNERS["language_model"])
    assert state.history[-1]["dev_log_likelihood"] > -1.8  # log 64 = 4.2; four words of eight: about 1.7
    score = scoring.score_perplexity(tmp_path / "out" / "model", config.data, ("en", "de"))["perplexity"]
    assert score.n == score.n_total == 80
    assert score.value == pytest.approx(math.exp(state.history[-1]["dev_loss"]), rel=1e-4)
    assert score.interval[0] < score.value < score.interval[1]
