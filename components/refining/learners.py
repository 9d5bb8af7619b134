"""Learners of the refiners: the deliberation network and the denoiser of edit diffusion.

Both start from a translation model (``init_from``), whose vocabulary they keep; greedy BLEU picks the
checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.scorers import digest_of
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.models.loaders.refiner_checkpoints import save_network
from components.networks import denoising_loss
from components.networks.deliberation import DeliberationNetwork
from components.networks.deliberation_objective import pad_drafts, surrogate_objective
from components.networks.edit_diffusion import EditDiffusionNetwork
from components.networks.noising import Corruption, EditNoiser
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.initialization import require_initial_model
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop import validation
from components.training.loop.cross_entropy import mean_per_token
from components.translation.backends.edit_diffusion.model import EditDiffusionBackend, translate_all
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.sentence_translation import TranslationBackend

GREEDY = SearchConfig(beam_size=1, max_new_tokens=128)


class _RefinerLearner(ABC):
    """Base of both: the data and the model of a TranslationLearner, development BLEU, the export."""

    score_name = "bleu"
    model: Any
    engine: TranslationBackend

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        require_initial_model(config)
        self.config = config
        self.base = TranslationLearner(config, out, device, store)
        self.lengths, self.tokenizer = self.base.lengths, self.base.tokenizer
        self.pad, self.eos = self.base.model.config.pad_token_id, self.base.model.config.eos_token_id
        self.digest = digest_of(self.tokenizer.get_vocab())

    def dev_score(self) -> float:
        """Return greedy BLEU on the first ``eval_sentences`` of the development set."""
        pairs = self.base.dev_pairs[: self.config.eval_sentences]
        languages = (self.config.source_language, self.config.target_language)
        texts = translate_all(self.engine, [source for source, _ in pairs], languages)
        return validation.corpus_bleu(texts, [target for _, target in pairs], languages[1])

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Return the loss on the development set, nats per token."""
        self.model.eval()
        examples = self.base.dev_examples[: self.config.eval_sentences]
        planned = batches.plan_batches([e.length for e in examples], self.config.batch_tokens, None)
        return mean_per_token(
            self.validation_loss([examples[i] for i in rows], number) for number, rows in enumerate(planned)
        )

    @abstractmethod
    def validation_loss(self, examples: Sequence[batches.Example], number: int) -> tuple[float, int]:
        """Compute the loss per token of batch ``number`` of the development set, and its tokens."""

    def export(self, folder: Path) -> None:
        """Write a folder that is used as a translator."""
        save_network(self.model, self.tokenizer, folder)


class DeliberationLearner(_RefinerLearner):
    """Maximizes E over drafts y' of log P2(y | y', x), by ``num_drafts`` samples per source.

    ``first_pass_loss_weight`` adds the first pass's own log P1(y | x).
    """

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        super().__init__(config, out, device, store)
        self.loader = self.base.loader
        torch.manual_seed(config.seed)
        self.model = DeliberationNetwork.from_base(self.base.model).to(device)
        self.ready = DeliberationModel(self.model, self.digest, "deliberation", first_beam=1)
        self.engine = Seq2SeqBackend(self.ready, self.tokenizer, GREEDY)  # type: ignore[arg-type]

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the negative surrogate objective of a batch per target token, and its target tokens."""
        model, batch = self.model, self.base.batch(rows)
        tokens, real = (part.to(model.device) for part in pad_drafts(self._sample_drafts(batch), self.pad))
        encoded, count = model.encode(batch.source, batch.mask), self.config.num_drafts
        spread, mask = (part.repeat_interleave(count, 0) for part in (encoded, batch.mask))
        draft = model.read_draft(spread, mask, tokens, real)
        labels = batch.labels.repeat_interleave(count, 0)
        target_log_probs, rewards = self._target_log_probs(
            model.second_states(spread, mask, draft, _fill_padding(labels, self.pad)), labels
        )
        shape = (len(rows), count)
        value = surrogate_objective(
            target_log_probs.view(shape), draft.log_probs.view(shape), rewards.view(shape)
        )
        total = int((batch.labels != -100).sum())
        loss = -value * len(rows) / total
        if self.config.first_pass_loss_weight:
            states = model.first_states(encoded, batch.mask, _fill_padding(batch.labels, self.pad))
            smoothed, _ = self._target_log_probs(states, batch.labels)
            loss = loss - self.config.first_pass_loss_weight * smoothed.sum() / total
        return loss, total

    def _sample_drafts(self, batch: batches.Batch) -> list[list[tuple[int, ...]]]:
        """Sample drafts from the present first pass, without dropout, from the loop's random state."""
        seed, keys = int(torch.randint(2**31, ())), range(len(batch.source))
        config = SearchConfig(
            n_best=self.config.num_drafts, temperature=1.0, seed=seed, max_new_tokens=self.config.max_length
        )
        self.model.eval()
        # Casts that autocast kept from here would have no gradient later.
        kind, dtype = self.model.device.type, torch.bfloat16
        with torch.autocast(kind, dtype=dtype, enabled=self.config.dtype == "bfloat16", cache_enabled=False):
            drafts = self.ready.draft_samples(batch.source, batch.mask.long(), config, list(keys))
        self.model.train()
        return drafts

    def _target_log_probs(self, states: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return label-smoothed and plain log P (M,) of ``labels`` (M, T) at ``states`` (M, T, width)."""
        plain, uniform = self.model.log_probs(states, _fill_padding(labels, self.pad), labels != -100)
        share = self.config.label_smoothing
        return (1 - share) * plain + share * uniform, plain

    def validation_loss(self, examples: Sequence[batches.Example], number: int) -> tuple[float, int]:
        """Compute the cross-entropy of the second pass, given the first pass's greedy draft."""
        model = self.model
        batch = batches.collate(examples, self.pad).to(model.device)
        drafts = [[draft] for draft in self.ready.draft_best(batch.source, batch.mask.long())]
        tokens, real = (part.to(model.device) for part in pad_drafts(drafts, self.pad))
        encoded = model.encode(batch.source, batch.mask)
        draft = model.read_draft(encoded, batch.mask, tokens, real)
        states = model.second_states(encoded, batch.mask, draft, _fill_padding(batch.labels, self.pad))
        _, plain = self._target_log_probs(states, batch.labels)
        count = int((batch.labels != -100).sum())
        return -float(plain.sum()) / count, count


class EditDiffusionLearner(_RefinerLearner):
    """Learns to undo steps of the noising process, which are drawn afresh for every batch."""

    def __init__(
        self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        super().__init__(config, out, device, store)
        torch.manual_seed(config.seed)
        self.model = EditDiffusionNetwork.from_base(self.base.model, config.diffusion_steps).to(device)
        counts = np.zeros(self.base.model.config.vocab_size, np.int64)
        for example in self.base.examples:
            np.add.at(counts, list(example.target[:-1]), 1)
        self.model.set_noise(counts.tolist())
        self.noise = EditNoiser(Corruption(steps=config.diffusion_steps), counts.tolist())
        ready = EditDiffusionModel(self.model, self.digest, "diffusion")
        self.engine = EditDiffusionBackend(ready, self.tokenizer, GREEDY)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the sum of the cross-entropies of tags and of written tokens, and the target tokens."""
        examples = [self.base.examples[i] for i in rows]
        seed = int(torch.randint(2**31, ()))
        tagging, writing = self._losses(examples, seed, self.config.label_smoothing)
        return tagging + writing, sum(len(example.target) for example in examples)

    def _losses(
        self, examples: Sequence[batches.Example], seed: int, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(seed)
        pairs = [self.noise.draw_training_pair(example.target[:-1], rng) for example in examples]
        batch = denoising_loss.batch_of(pairs, self.pad, self.eos).to(self.model.device)
        sources = batches.collate(examples, self.pad).to(self.model.device)
        return denoising_loss.tagging_and_writing_loss(
            self.model, sources.source, sources.mask, batch, smoothing
        )

    def validation_loss(self, examples: Sequence[batches.Example], number: int) -> tuple[float, int]:
        """Compute both cross-entropies, on noised texts that are the same at every evaluation."""
        tagging, writing = self._losses(examples, number, 0.0)
        return float(tagging + writing), sum(len(example.target) for example in examples)


def _fill_padding(labels: Tensor, pad: int) -> Tensor:
    return labels.masked_fill(labels == -100, pad)
