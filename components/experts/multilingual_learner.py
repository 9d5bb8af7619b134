"""The learner of multilingual translation, with experts or without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from components.errors import ConfigError
from components.experts import multilingual
from components.experts.config import ExpertsConfig
from components.experts.multilingual import MultilingualCorpus
from components.experts.upcycling import upcycle_marian
from components.networks.moe import load_balancing_loss
from components.networks.moe.moe_block import record_routing
from components.networks.moe.sparse_marian import SparseMarianMTModel, add_random_experts, layer_masks
from components.training import initialization
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.examples.bagging import resample_items
from components.training.loop import cross_entropy, validation
from components.training.marian_model import build_marian
from components.training.parallel.prefetch import BatchLoader


class MultilingualLearner:
    """Learns all target languages at once; the mean of their greedy BLEU picks the checkpoint.

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
        spm, self.tokenizer = _load_or_learn_vocabulary(config, out, corpus, store)
        bags = {
            language: resample_items(rows, config.seed, config.bag) for language, rows in corpus.pairs.items()
        }
        self.examples = multilingual.encode(bags, spm, config.max_length)
        self._dev_examples = multilingual.encode(self._dev.pairs, spm, config.max_length)
        self.lengths = [example.length for example in self.examples]
        self.model = build_model(config, len(self.tokenizer), store)
        self.model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")
        self.model.to(device)
        self.loader = BatchLoader(self._collate, device)

    def _collate(self, rows: Sequence[int]) -> batches.Batch:
        return batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute a batch's mean label-smoothed cross-entropy plus the routers' losses, and its tokens."""
        config = self.config
        batch = self.loader.load(rows)
        with record_routing(self.model, layer_masks(batch.mask, batch.labels != -100)) as records:
            mean, count = cross_entropy.label_smoothing_loss(self.model, batch, config.label_smoothing)
        if records:
            routings = [record.routing for record in records]
            mean = mean + load_balancing_loss.total_loss(
                routings, config.balance_loss, config.balance_loss_weight, config.z_loss_weight
            )
        return mean, count

    def dev_loss(self) -> float:
        """Return the development set's cross-entropy, nats per target token."""
        return validation.dev_loss(self.model, self._dev_examples, self.config.batch_tokens)

    def dev_score(self) -> float:
        """Return the mean over the languages of greedy BLEU."""
        return fmean(
            validation.dev_bleu(self.model, self.tokenizer, rows, language)
            for language, rows in self._dev.pairs.items()
        )

    def export(self, folder: Path) -> None:
        """Write a folder that :mod:`components.models.loaders.loading` loads."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _load_or_learn_vocabulary(
    config: ExpertsConfig, out: Path, corpus: MultilingualCorpus, store: str | None
) -> tuple[bytes, Any]:
    """Load or learn the vocabulary, which has a tag for each of several languages."""
    learn = partial(multilingual.learn_vocabulary, corpus, config.vocab_size)
    spm, tokenizer = initialization.load_or_learn_vocabulary(config, out, learn, store)
    multilingual.check_tags(spm, config.targets)
    return spm, tokenizer


def build_model(config: ExpertsConfig, vocabulary: int, store: str | None) -> Any:
    """Build the model to train: dense or with experts, with random weights or from ``init_from``.

    A dense ``init_from`` is upcycled where the settings ask for experts.

    Raises:
        ConfigError: where ``init_from`` has experts and the settings ask for none or for others.
    """
    shape = {
        "num_local_experts": config.num_experts,
        "num_experts_per_tok": config.top_k,
        "sparse_every": config.sparse_every,
        "noisy_gating": config.noisy_gating,
        "expert_capacity": config.capacity_factor,
        "num_shared_experts": config.num_shared_experts,
        "encoder_routing": config.encoder_routing,
    }
    initial = initialization.load_initial_model(config, store)
    if isinstance(initial, SparseMarianMTModel):
        initial_shape = {name: getattr(initial.config, name) for name in shape}
        if initial_shape != shape:
            raise ConfigError(
                f"init_from: expected a model with {shape}, found one with {initial_shape}; set the same"
            )
        return initial
    torch.manual_seed(config.seed)
    if not config.num_experts:
        return initial or build_marian(config, vocabulary)
    if initial is not None:
        return upcycle_marian([initial], **shape)
    return add_random_experts(build_marian(config, vocabulary), **shape)
