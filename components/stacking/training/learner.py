"""The learner of stacked models: spoken pairs (transcripts, encoder states, translation) for the trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from components.decoding.config import SearchConfig
from components.decoding.searches.search import search
from components.errors import DataError
from components.networks.stacked_model import Sources
from components.stacking.model_folder import LoadedStackedModel, save_stacked
from components.stacking.padding import pad_states, pad_texts
from components.stacking.stacked_scorer import StackedScorer
from components.training.config import TrainingConfig
from components.training.examples.batches import plan_batches
from components.training.initialization import set_dropout
from components.training.loop import validation


@dataclass(frozen=True)
class SpokenPair:
    """A training example. ``id`` names its encoder states; without states only its transcripts are read.

    ``language`` is that of the target.
    """

    id: str
    transcripts: tuple[str, ...]
    target: str
    language: str | None = None


@dataclass(frozen=True)
class _TokenizedPair:
    source: tuple[tuple[int, ...], ...]
    target: tuple[int, ...]
    id: str


class StackLearner:
    """Learns a stacked model from spoken pairs by label-smoothed cross-entropy.

    Greedy BLEU on the development set chooses the checkpoint.

    Args:
        config: settings of the trainer.
        stacked: the model to start with.
        pairs: for training and for development.
        states: id -> encoder states (T, width); may read them from disk on access.
        device: of the model.

    Raises:
        DataError: there are no pairs.
    """

    score_name = "bleu"

    def __init__(
        self,
        config: TrainingConfig,
        stacked: LoadedStackedModel,
        pairs: tuple[Sequence[SpokenPair], Sequence[SpokenPair]],
        states: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        self.config, self.stacked, self._states = config, stacked, states
        self.model = stacked.model.to(device)
        set_dropout(self.model, config.dropout)
        self._pad = int(self.model.config.pad_token_id)
        self.examples, self.dev = (self._tokenize(split) for split in pairs)
        self.dev_targets = [pair.target for pair in pairs[1]]
        self.language = pairs[1][0].language or ""
        self.lengths = [max(len(e.target), *map(len, e.source)) for e in self.examples]

    def _tokenize(self, pairs: Sequence[SpokenPair]) -> list[_TokenizedPair]:
        tokenizer, longest = self.stacked.tokenizer, self.config.max_length
        tokenized = []
        for pair in pairs:
            source = tuple(tuple(tokenizer(text).input_ids[:longest]) for text in pair.transcripts)
            tokenized.append(
                _TokenizedPair(source, tuple(tokenizer(text_target=pair.target).input_ids[:longest]), pair.id)
            )
        if not tokenized:
            raise DataError("expected spoken pairs to learn from, found none")
        return tokenized

    def build_sources(self, examples: Sequence[_TokenizedPair]) -> Sources:
        """Return the examples as a padded batch of the model."""
        no_states = torch.zeros(1, self.model.width)
        states = [self._states.get(example.id, no_states) for example in examples]
        speech, speech_mask = pad_states(states)
        without_speech = torch.tensor([example.id not in self._states for example in examples])
        text, mask = pad_texts([example.source for example in examples], self._pad)
        return Sources(text, mask, speech, speech_mask & ~without_speech[:, None]).to(self.model.device)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Return the mean label-smoothed cross-entropy (nats) of a batch, and its number of target tokens."""
        return self._loss([self.examples[i] for i in rows], self.config.label_smoothing)

    def _loss(self, examples: Sequence[_TokenizedPair], smoothing: float) -> tuple[Tensor, int]:
        labels = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(e.target) for e in examples], batch_first=True, padding_value=-100
        ).to(self.model.device)
        start = torch.full_like(labels[:, :1], int(self.model.config.decoder_start_token_id))
        inputs = torch.cat([start, labels[:, :-1].clamp(min=0)], 1)
        memory = self.model.encode(self.build_sources(examples))
        hidden = self.model.decode_hidden(inputs, memory, self.model.project_memory(memory))
        is_token = labels != -100
        logits = self.model.logits(hidden[is_token])
        return functional.cross_entropy(logits, labels[is_token], label_smoothing=smoothing), int(
            is_token.sum()
        )

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Return the cross-entropy on the development set, in nats per target token."""
        self.model.eval()
        total, tokens = 0.0, 0
        for rows in plan_batches([len(e.target) for e in self.dev], self.config.batch_tokens, None):
            value, count = self._loss([self.dev[i] for i in rows], 0.0)
            total, tokens = total + value.item() * count, tokens + count
        return total / tokens

    def dev_score(self) -> float:
        """Return greedy BLEU on the first ``eval_sentences`` of the development set."""
        self.model.eval()
        examples = self.dev[: self.config.eval_sentences]
        texts: list[str] = []
        for start in range(0, len(examples), 32):
            scorer = StackedScorer(self.stacked, self.build_sources(examples[start : start + 32]))
            nbests = search([scorer], SearchConfig(beam_size=1, max_new_tokens=self.config.max_length))
            texts += [self.stacked.tokenizer.decode(c[0].tokens, skip_special_tokens=True) for c in nbests]
        references = self.dev_targets[: len(examples)]
        return validation.corpus_bleu(texts, references, self.language)

    def export(self, folder: Path) -> None:
        """Write the folder that :func:`components.stacking.model_folder.load_stacked` reads."""
        save_stacked(self.stacked, folder)
