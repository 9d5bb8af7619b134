"""The learner of translation: a Marian-architecture Transformer on parallel text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.files.files import write_atomically
from components.models.checkpoints import DOMAIN
from components.records import Utterance
from components.training import initialization
from components.training.config import TrainingConfig
from components.training.examples import batches, parallel_data
from components.training.kinds.targets import TARGETS
from components.training.loop import cross_entropy, validation
from components.training.marian_model import build_marian
from components.training.parallel.prefetch import BatchLoader
from components.translation.config import TranslationConfig
from components.translation.context.domain import Domain, Piece, ScoredSentence, unknown_share
from components.translation.factory import build

MAX_TEXTS = 500
"""Development texts that are translated: enough for the limits, and 7 CPU seconds for a model of 6 M."""
MIN_TRAINING_COUNT = 5
"""Times that training must have met a piece for it to be known."""
TAIL_PERCENT = 1.0
"""Percent of the development sentences that may lie outside each limit."""


class PairLearner:
    """Base of learners of sentence pairs: label-smoothed cross-entropy; greedy BLEU picks the checkpoint.

    A subclass sets ``config``, ``tokenizer`` and the development data, and calls :meth:`_set_model`;
    ``language`` where its texts are in another one than the tokenizer's target.
    """

    score_name = "bleu"
    language: str | None = None
    config: TrainingConfig
    tokenizer: Any
    dev_pairs: Sequence[parallel_data.Pair]
    dev_examples: Sequence[batches.Example]

    def _set_model(self, model: Any, examples: Sequence[batches.Example], device: torch.device) -> None:
        self.model, self.examples = model, examples
        self.lengths = [example.length for example in examples]
        # On short sentences a quarter faster per step on CPU than the fused kernel.
        model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")
        model.to(device)
        pad = model.config.pad_token_id
        self.loader = BatchLoader(lambda rows: batches.collate([examples[i] for i in rows], pad), device)

    def batch(self, rows: Sequence[int]) -> batches.Batch:
        """Return the padded examples ``rows`` on the model's device."""
        return self.loader.load(rows)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the mean label-smoothed cross-entropy of a batch, and the number of its target tokens."""
        return cross_entropy.label_smoothing_loss(self.model, self.batch(rows), self.config.label_smoothing)

    def dev_loss(self) -> float:
        """Return the development set's cross-entropy, nats per target token."""
        return validation.dev_loss(self.model, self.dev_examples, self.config.batch_tokens)

    def dev_score(self) -> float:
        """Return greedy BLEU on the first ``eval_sentences`` of the development set."""
        pairs = self.dev_pairs[: self.config.eval_sentences]
        return validation.dev_bleu(self.model, self.tokenizer, pairs, self.language)

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads, or PEFT where an adapter was trained."""
        initialization.save_model(self.model, folder)
        self.tokenizer.save_pretrained(folder)


class TranslationLearner(PairLearner):
    """Trains a Marian-architecture Transformer on parallel text."""

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        languages = (config.source_language, config.target_language)
        text = parallel_data.training_pairs(config, languages)
        self._set_up(config, text, parallel_data.read_pairs(config.dev, languages)[0], out, device, store)

    def _set_up(
        self,
        config: TrainingConfig,
        text: Sequence[parallel_data.Pair],
        dev_pairs: Sequence[parallel_data.Pair],
        out: Path,
        device: torch.device,
        store: str | None,
    ) -> None:
        """Prepare vocabulary, examples and model for ``text``, which stands in for the settings' data."""
        self.config, self.dev_pairs, self._store = config, dev_pairs, store
        parallel_data.warn_of_known_pairs(dev_pairs, text)
        spm, self.tokenizer = initialization.load_or_learn_vocabulary(
            config, out, initialization.vocabulary_learner(config, text), store
        )
        self.dev_examples = parallel_data.encode_pairs(
            self.dev_pairs, spm, config.max_length, config.target_language
        )
        examples = parallel_data.encode_pairs(text, spm, config.max_length, config.target_language)
        network = initialization.load_initial_model(config, store) or build_marian(
            config, len(self.tokenizer)
        )
        self._set_model(network, examples, device)

    def export(self, folder: Path) -> None:
        """Write a folder that transformers loads, with the record of the model's domain."""
        super().export(folder)
        write_domain(folder, self.config, self._store)


def write_domain(folder: Path, config: TrainingConfig, store: str | None) -> None:
    """Measure the model in ``folder`` on its training and development texts; write the record beside it."""
    languages = (config.source_language, config.target_language)
    training_texts = [source for source, _ in parallel_data.training_pairs(config, languages)]
    held_out = [source for source, _ in parallel_data.read_pairs(config.dev, languages)[0][:MAX_TEXTS]]
    translator = build(TranslationConfig(model=str(folder), n_best=1, device=config.device), store)
    files = ",".join(Path(file).name for file in config.data.split(","))  # wherever they lie
    whose = "its teacher" if files == TARGETS else files
    domain = measure_domain(
        f"text like that of {whose}",
        (sentence.tokens for sentence in translator.sentences_of(_utterances(training_texts, languages))),
        translator.score_sentences(_utterances(held_out, languages)),
    )
    write_atomically(folder / DOMAIN, (domain.model_dump_json(indent=1) + "\n").encode())


def measure_domain(
    description: str, training: Iterable[Sequence[Piece]], development: Sequence[ScoredSentence]
) -> Domain:
    """Return the domain of a model.

    Args:
        description: what it was made for, as one would say it.
        training: pieces of the sources that it learned from.
        development: development sentences with its translations' scores.
    """
    counts = Counter(piece for sentence in training for piece in sentence)
    frequent = frozenset(piece for piece, times in counts.items() if times >= MIN_TRAINING_COUNT)
    unknown = [unknown_share(pieces, frequent) for pieces, _, _ in development]
    log_probs = [score / max(1, n_tokens) for _, score, n_tokens in development]
    return Domain(
        description=description,
        known=f"{sum(1 << piece for piece in frequent):x}",
        max_pieces=int(
            np.percentile([len(pieces) for pieces, _, _ in development], 100 - TAIL_PERCENT, method="higher")
        ),
        max_unknown=float(np.percentile(unknown, 100 - TAIL_PERCENT)),
        min_log_prob=min(0.0, float(np.percentile(log_probs, TAIL_PERCENT))),
        n_dev=len(development),
    )


def _utterances(texts: Sequence[str], languages: tuple[str, str]) -> list[Utterance]:
    source, target = languages
    return [
        Utterance(id=str(number), text=text, source_language=source, target_language=target)
        for number, text in enumerate(texts)
    ]
