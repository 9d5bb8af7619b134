"""A learner that is made in a moment: a tiny Marian that reverses random sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.loop.cross_entropy import label_smoothing_loss
from components.training.marian_model import build_marian
from components.training.parallel.prefetch import BatchLoader

PIECES = 20


class ToyLearner:
    """Its development score draws, in the main process alone, as decoding may do."""

    score_name = "zero"

    def __init__(self, config: TrainingConfig, out: Path, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.model = build_marian(config, PIECES).to(device)
        draw = torch.Generator().manual_seed(0)
        self.lengths = torch.randint(2, 12, (40,), generator=draw).tolist()
        ids = [tuple(torch.randint(1, PIECES - 1, (n,), generator=draw).tolist()) for n in self.lengths]
        self.examples = [batches.Example(source, source[::-1]) for source in ids]
        self.loader = BatchLoader(self._collate, device)

    def _collate(self, rows: Sequence[int]) -> batches.Batch:
        return batches.collate([self.examples[i] for i in rows], PIECES - 1)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        return label_smoothing_loss(self.model, self.loader.load(rows), 0.1)

    def dev_loss(self) -> float:
        return 0.0

    def dev_score(self) -> float:
        torch.rand(())
        return 0.0

    def export(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        named = {name: w.detach() for name, w in self.model.named_parameters() if w.requires_grad}
        save_file(named, folder / "model.safetensors")


def toy_settings(**changes: object) -> TrainingConfig:
    shape = {"num_layers": 1, "d_model": 16, "ffn_dim": 16, "num_heads": 2, "dropout": 0.1}
    budget = {"max_steps": 8, "eval_every": 3, "average_checkpoints": 1, "batch_tokens": 60}
    return TrainingConfig.model_validate(
        {**shape, **budget, "device": "cpu", "dtype": "float32", "warmup_steps": 2, **changes}
    )


def exported_weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model" / "model.safetensors")
