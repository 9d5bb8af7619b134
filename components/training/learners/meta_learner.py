"""The learner of meta-learning: several translation directions of one source language, to be adapted later.

The first step of a low-resource system: the model that comes out is the ``init_from`` of a plain training on
the little data there is (Gu et al. 2018). ``multilingual`` is the baseline: the same batches, one loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from components.errors import ConfigError
from components.training import initialization, meta_learning
from components.training.config import TrainingConfig
from components.training.examples import batches, parallel_data, vocabulary
from components.training.examples.bagging import resample_items
from components.training.examples.batches import Batch, Example
from components.training.examples.parallel_data import Pair
from components.training.loop import cross_entropy, validation
from components.training.marian_model import build_marian


class MetaConfig(TrainingConfig):
    """Settings of the training before adaptation; ``target_language`` is the one of the adaptation."""

    method: Literal["multilingual", "maml", "first-order", "reptile"] = Field(
        "first-order",
        title="Method",
        description="how the directions are learned together: one loss, or episodes of support and query",
    )
    languages: tuple[str, ...] = Field(
        ("fr", "cs"),
        title="High-resource languages",
        min_length=1,
        description="target languages learned from; each is a task",
    )
    skip: int = Field(
        0, title="Pairs skipped", ge=0, description="first pairs of each direction that are left out"
    )
    adapt_data: str | None = Field(
        None,
        title="Adaptation data",
        description="parallel text of the later direction: its pieces enter the vocabulary, nothing else",
    )
    adapt_limit: int | None = Field(
        None, title="Adaptation pairs", ge=1, description="pairs of it that are read; empty = all"
    )
    inner_learning_rate: float = Field(
        0.05, title="Inner learning rate", gt=0.0, le=10.0, description="of the plain steps on the support"
    )
    inner_steps: int = Field(
        1, title="Inner steps", ge=1, le=10, description="support batches of an episode, one step each"
    )


class MetaLearner:
    """Learns from episodes over several directions; their mean development loss picks the checkpoint."""

    score_name = "log_likelihood"

    def __init__(self, config: MetaConfig, out: Path, device: torch.device, store: str | None = None) -> None:
        self.config = config
        if config.compile and config.method != "multilingual":  # compiled passes have no second derivative
            raise ConfigError(
                f"compile: expected method multilingual, found {config.method}; leave compile out"
            )
        parts = [
            self._read_pairs(config.data, language, config.limit)[config.skip :]
            for language in config.languages
        ]
        texts = [resample_items(part, config.seed, config.bag) for part in parts]
        if not all(texts):
            raise ConfigError(f"skip: expected fewer than the pairs of each direction, found {config.skip}")
        self.tokenizer, spm = self._load_or_learn_vocabulary(out, texts, store)
        self.examples: list[Example] = []
        self.task_of: list[int] = []
        for task, (language, text) in enumerate(zip(config.languages, texts, strict=True)):
            encoded = parallel_data.encode_pairs(text, spm, config.max_length, language)
            self.examples += encoded
            self.task_of += [task] * len(encoded)
        self._dev = [
            parallel_data.encode_pairs(
                self._read_pairs(config.dev, language), spm, config.max_length, language
            )
            for language in config.languages
        ]
        self.lengths = [example.length for example in self.examples]
        self.model = initialization.load_initial_model(config, store) or build_marian(
            config, len(self.tokenizer)
        )
        self.model.set_attn_implementation("eager")  # the fused kernels have no second derivative
        self.model.to(device)

    def _read_pairs(self, source: str, language: str, limit: int | None = None) -> list[Pair]:
        return parallel_data.read_pairs(source, (self.config.source_language, language), limit)[0]

    def _load_or_learn_vocabulary(
        self, out: Path, texts: Sequence[Sequence[Pair]], store: str | None
    ) -> tuple[Any, bytes]:
        """Load the vocabulary of ``tokenizer`` or ``init_from``, or learn one for all directions.

        A learned one also sees the text that is adapted to later, and has a tag for each target language.
        """
        config = self.config
        target = config.target_language
        tags = [vocabulary.tag(language) for language in dict.fromkeys((*config.languages, target))]

        def learn() -> bytes:
            later: Sequence[Pair] = []
            if config.adapt_data is not None:
                both = (config.source_language, target)
                later = parallel_data.read_pairs(config.adapt_data, both, config.adapt_limit)[0]
            lines = itertools.chain.from_iterable(itertools.chain(*texts, later))
            return vocabulary.train(lines, config.vocab_size, tags)

        spm, tokenizer = initialization.load_or_learn_vocabulary(config, out, learn, store)
        missing = sorted(set(tags) - tokenizer.get_vocab().keys())
        if missing:
            raise ConfigError(
                f"{config.tokenizer or config.init_from}: expected a vocabulary with a tag for every target "
                f"language, found none for {', '.join(missing)}; name a model of several directions"
            )
        return tokenizer, spm

    def _batch(self, rows: Sequence[int]) -> Batch:
        batch = batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)
        return batch.to(self.model.device)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the loss whose gradient is the (meta-)gradient, averaged over the directions in the batch.

        Its value is the cross-entropy of the whole batch, or of the queries after adaptation. The token
        count is that of the whole batch: what one update has read.
        """
        config = self.config
        tokens = sum(len(self.examples[i].target) for i in rows)
        parts = meta_learning.split_episode(rows, self.task_of, config.inner_steps + 1)
        if config.method == "multilingual" or not parts:
            return cross_entropy.label_smoothing_loss(self.model, self._batch(rows), config.label_smoothing)
        loss = meta_learning.functional_loss(self.model, self._label_smoothing_loss)
        weights = meta_learning.trainable_weights(self.model)
        values = [
            meta_learning.METHODS[config.method](
                loss,
                weights,
                [self._batch(s) for s in supports],
                self._batch(query),
                config.inner_learning_rate,
            )
            for *supports, query in parts.values()
        ]
        return torch.stack(values).mean(), tokens

    def _label_smoothing_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy.label_smoothing_loss(module, batch, self.config.label_smoothing)[0]

    def dev_loss(self) -> float:
        """Return the directions' mean cross-entropy before any adaptation, nats per target token."""
        losses = [
            validation.dev_loss(self.model, examples, self.config.batch_tokens) for examples in self._dev
        ]
        return sum(losses) / len(losses)

    def dev_score(self) -> float:
        """Return the negative of the development loss."""
        return -self.dev_loss()

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads; its tokenizer asks for the language adapted to."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
