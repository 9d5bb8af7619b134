"""The learner of language models: a small Llama-architecture decoder on the target side of the data.

Its vocabulary can be a translation model's, and a sentence starts with that model's start id (the pad id), so
both can be members of one search: in- and out-of-domain models for negative evidence, for instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from components.training import initialization
from components.training.config import TrainingConfig
from components.training.examples import batches, parallel_data
from components.training.examples.batches import Batch, Example
from components.training.examples.vocabulary import EOS
from components.training.loop.cross_entropy import mean_per_token
from components.training.marian_model import check_heads
from components.training.parallel.prefetch import BatchLoader


def build_language_model(config: TrainingConfig, vocabulary: int) -> Any:
    """Build a Llama-architecture Transformer with random weights from ``seed``.

    Input and output share one embedding; ``vocabulary`` is the number of its entries.
    """
    check_heads(config)
    torch.manual_seed(config.seed)
    pad = vocabulary - 1
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=config.d_model,
            intermediate_size=config.ffn_dim,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            attention_dropout=config.dropout,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=pad,
            eos_token_id=EOS,
            pad_token_id=pad,
            architectures=["LlamaForCausalLM"],
        )
    )
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=pad, eos_token_id=EOS, pad_token_id=pad
    )
    return model


class LanguageLearner:
    """Learns a language model of the target texts; development log-likelihood picks the checkpoint."""

    score_name = "log_likelihood"

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        self.config = config
        languages = (config.source_language, config.target_language)
        text = parallel_data.training_pairs(config, languages)
        dev, _ = parallel_data.read_pairs(config.dev, languages)
        spm, self.tokenizer = initialization.load_or_learn_vocabulary(
            config, out, initialization.vocabulary_learner(config, text), store
        )
        self.examples = _target_sides(parallel_data.encode_pairs(text, spm, config.max_length))
        self._dev = _target_sides(parallel_data.encode_pairs(dev, spm, config.max_length))
        self.lengths = [example.length for example in self.examples]
        self.model = initialization.load_initial_model(config, store) or build_language_model(
            config, len(self.tokenizer)
        )
        self.model.to(device)
        self.loader = BatchLoader(self._collate, device)

    def _collate(self, rows: Sequence[int]) -> Batch:
        return batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the mean label-smoothed cross-entropy of a batch, and the number of its tokens."""
        return _batch_loss(self.model, self.loader.load(rows), self.config.label_smoothing)

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Return the development set's cross-entropy, nats per token."""
        planned = batches.plan_batches([e.length for e in self._dev], self.config.batch_tokens, None)
        return mean_per_token(mean_loss(self.model, [self._dev[i] for i in rows], 0.0) for rows in planned)

    def dev_score(self) -> float:
        """Return the development set's log-likelihood, nats per token."""
        return -self.dev_loss()

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads, or PEFT where an adapter was trained."""
        initialization.save_model(self.model, folder)
        self.tokenizer.save_pretrained(folder)


def mean_loss(model: Any, examples: Sequence[Example], smoothing: float) -> tuple[Tensor, int]:
    """Compute the mean label-smoothed cross-entropy of the targets (nats per token), and their tokens."""
    batch = batches.collate(examples, model.config.pad_token_id)
    return _batch_loss(model, batch.to(model.device), smoothing)


def _batch_loss(model: Any, batch: Batch, smoothing: float) -> tuple[Tensor, int]:
    hidden = model.model(input_ids=batch.inputs, use_cache=False).last_hidden_state  # padding is on the right
    real = batch.labels != -100
    labels = batch.labels[real]
    logits = model.lm_head(hidden[real]).float()
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing), labels.numel()


def _target_sides(examples: Sequence[Example]) -> list[Example]:
    """Return examples whose source is their target."""
    return [Example(example.target, example.target) for example in examples]
