"""The learner of meta-learning: several directions or domains of translation, to be adapted later.

The first step of a low-resource system: the model that comes out is the ``init_from`` of a plain training on
the little data there is (Gu et al. 2018). ``joint`` is the baseline: the same batches, one loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from components.errors import ConfigError
from components.training import initialization, meta_learning
from components.training.examples import batches, parallel_data, vocabulary
from components.training.examples.bagging import resample_items
from components.training.examples.batches import Batch, Example
from components.training.examples.parallel_data import Pair
from components.training.loop import cross_entropy, validation
from components.training.marian_model import build_marian
from components.training.meta_config import MetaConfig, MetaTask


class MetaLearner:
    """Learns from episodes over several tasks; their mean development loss picks the checkpoint."""

    score_name = "log_likelihood"

    def __init__(self, config: MetaConfig, out: Path, device: torch.device, store: str | None = None) -> None:
        assert config.meta is not None  # checked
        self.config, self.meta, tasks = config, config.meta, config.tasks
        texts = [
            resample_items(_read(task, task.data, task.limit)[task.skip :], config.seed, config.bag)
            for task in tasks
        ]
        if empty := [task.data for task, text in zip(tasks, texts, strict=True) if not text]:
            raise ConfigError(
                f"meta.tasks: expected pairs to learn from, found none in {empty[0]} beyond skip"
            )
        self.tokenizer, spm = self._load_or_learn_vocabulary(out, texts, store)
        self.examples: list[Example] = []
        self.task_of: list[int] = []
        for number, (task, text) in enumerate(zip(tasks, texts, strict=True)):
            encoded = parallel_data.encode_pairs(text, spm, config.max_length, str(task.target_language))
            self.examples += encoded
            self.task_of += [number] * len(encoded)
        self._dev = [
            parallel_data.encode_pairs(
                _read(task, str(task.dev)), spm, config.max_length, str(task.target_language)
            )
            for task in tasks
        ]
        self.lengths = [example.length for example in self.examples]
        self.model = initialization.load_initial_model(config, store) or build_marian(
            config, len(self.tokenizer)
        )
        self.model.set_attn_implementation("eager")  # the fused kernels have no second derivative
        self.model.to(device)

    def _load_or_learn_vocabulary(
        self, out: Path, texts: Sequence[Sequence[Pair]], store: str | None
    ) -> tuple[Any, bytes]:
        """Load the vocabulary of ``tokenizer`` or ``init_from``, or learn one for all tasks.

        A learned one also sees the text that is adapted to later. Where there are several target languages it
        has a tag for each.
        """
        config = self.config
        targets = dict.fromkeys(
            (*(str(task.target_language) for task in config.tasks), config.target_language)
        )
        tags = [vocabulary.tag(language) for language in targets] if len(targets) > 1 else []

        def learn() -> bytes:
            both = (config.source_language, config.target_language)
            later = parallel_data.read_pairs(config.data, both, config.limit)[0]
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
        """Compute the loss whose gradient is the (meta-)gradient, averaged over the tasks in the batch.

        Its value is the cross-entropy of the whole batch, or of the queries after adaptation. The token
        count is that of the whole batch: what one update has read.
        """
        meta, smoothing = self.meta, self.config.label_smoothing
        tokens = sum(len(self.examples[i].target) for i in rows)
        parts = meta_learning.split_episode(rows, self.task_of, meta.inner_steps + 1)
        if meta.method == "joint" or not parts:
            return cross_entropy.label_smoothing_loss(self.model, self._batch(rows), smoothing)
        loss = meta_learning.functional_loss(self.model, self._label_smoothing_loss)
        weights = meta_learning.trainable_weights(self.model)
        values = [
            meta_learning.METHODS[meta.method](
                loss,
                weights,
                [self._batch(s) for s in supports],
                self._batch(query),
                meta.inner_learning_rate,
            )
            for *supports, query in parts.values()
        ]
        return torch.stack(values).mean(), tokens

    def _label_smoothing_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy.label_smoothing_loss(module, batch, self.config.label_smoothing)[0]

    def dev_loss(self) -> float:
        """Return the tasks' mean cross-entropy before any adaptation, nats per target token."""
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


def _read(task: MetaTask, source: str, limit: int | None = None) -> list[Pair]:
    languages = (str(task.source_language), str(task.target_language))
    return parallel_data.read_pairs(source, languages, limit)[0]
