"""The negation of a task vector: which scale is taken, and the random vector beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.claims.experiments.task_vectors.models import pick_negative_scale, write_random_vector


def test_the_scale_is_the_one_that_forgets_most_while_the_others_lose_little() -> None:
    scores = {  # German, French, Czech
        0.0: (20.0, 30.0, 15.0),
        0.5: (20.0, 29.0, 12.0),  # the others lose 0.5 on average
        1.0: (19.0, 29.0, 8.0),  # 1.0
        1.5: (18.0, 29.0, 2.0),  # 1.5: too much
    }
    assert pick_negative_scale(scores) == 1.0
    assert pick_negative_scale({0.0: (20.0, 30.0, 15.0), 0.1: (10, 10, 1), 0.2: (5, 5, 0)}) is None


def test_the_random_vector_is_as_long_as_the_task_vector_in_every_tensor(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    base = {"a": torch.randn(40, 50, generator=generator), "b": torch.ones(7)}
    tuned = {"a": base["a"] + 0.1 * torch.randn(40, 50, generator=generator), "b": base["b"].clone()}
    for name, weights in (("base", base), ("tuned", tuned)):
        (tmp_path / name).mkdir()
        save_file(weights, tmp_path / name / "model.safetensors")
    write_random_vector(tmp_path / "base", tmp_path / "tuned", tmp_path / "random", seed=1)
    noise = load_file(tmp_path / "random" / "model.safetensors")
    task, vector = tuned["a"] - base["a"], noise["a"] - base["a"]
    torch.testing.assert_close(vector.norm(), task.norm(), rtol=1e-4, atol=0)
    assert abs(float(torch.cosine_similarity(vector.ravel(), task.ravel(), dim=0))) < 0.1
    assert torch.equal(noise["b"], base["b"])  # what the task does not change is not changed
