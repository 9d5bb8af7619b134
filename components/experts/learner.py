"""The learner of multilingual translation, with sparse layers or without: what the training loop trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from components.experts import balance, multilingual
from components.experts.config import ExpertsConfig
from components.experts.layer import watched
from components.experts.marian import masks_of, with_experts
from components.experts.multilingual import tag
from components.training import batches, dev, model, objective
from components.training.config import TrainingConfig


class MultilingualLearner:
    """Cross-entropy over all languages at once; the mean of the languages' greedy BLEU decides.

    Development loss and BLEU are of the first ``eval_sentences`` of the development set, shared out over the
    languages.
    """

    score_name = "bleu"

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        assert isinstance(config, ExpertsConfig)
        self.config = config
        targets = config.targets
        corpus = multilingual.read(config.data, config.source_language, targets, config.limit)
        share = max(1, config.eval_sentences // len(targets))
        self._dev = multilingual.read(config.dev, config.source_language, targets, share)
        stored = out / "tokenizer" / "source.spm"
        spm = stored.read_bytes() if stored.exists() else multilingual.learn(corpus, config.vocabulary)
        self.tokenizer = multilingual.save(spm, out / "tokenizer", config.source_language, targets)
        self.examples, _ = multilingual.encode(corpus, spm, self.tokenizer, config.max_length)
        self._dev_examples, _ = multilingual.encode(self._dev, spm, self.tokenizer, config.max_length)
        self.lengths = [example.length for example in self.examples]
        self.model = build(config, len(self.tokenizer))
        self.model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")
        self.model.to(device)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Mean label-smoothed cross-entropy of a batch plus the routers' losses, and its target tokens."""
        config = self.config
        batch = batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)
        batch = batch.to(self.model.device)
        with watched(self.model, masks_of(batch.mask, batch.labels != -100)) as seen:
            mean, count = objective.loss(self.model, batch, config.label_smoothing)
        if seen:
            routings = [one.routing for one in seen]
            mean = mean + balance.total(routings, config.balance, config.balance_weight, config.z_weight)
        return mean, count

    def dev_loss(self) -> float:
        """Cross-entropy, nats per target token."""
        return dev.dev_loss(self.model, self._dev_examples, self.config.batch_pieces)

    def dev_score(self) -> float:
        """Mean over the languages of greedy BLEU."""
        return fmean(self.dev_scores().values())

    def dev_scores(self) -> dict[str, float]:
        """Greedy BLEU by language."""
        return {
            language: dev.dev_bleu(
                self.model, self.tokenizer, [(f"{tag(language)} {source}", target) for source, target in rows]
            )
            for language, rows in self._dev.pairs.items()
        }

    def export(self, folder: Path) -> None:
        """A folder that :mod:`components.models.loading` loads."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def build(config: ExpertsConfig, vocabulary: int) -> Any:
    """The model of a configuration with random weights from its seed: dense, or with experts."""
    dense = model.build(config, vocabulary)
    if not config.experts:
        return dense
    return with_experts(
        dense,
        num_local_experts=config.experts,
        num_experts_per_tok=config.top_k,
        sparse_every=config.sparse_every,
        noisy_gating=config.noisy,
        expert_capacity=config.capacity,
    )
