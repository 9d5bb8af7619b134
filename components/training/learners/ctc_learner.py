"""The learner of CTC heads: encoder states and transcripts for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jiwer
import torch
from torch import Tensor
from torch.nn import functional

from components.decoding.ctc.prefix_beam_search import search_greedily
from components.errors import DataError
from components.networks.ctc_head import CtcHead
from components.recognition.ctc.characters import BLANK, encode, spell
from components.recognition.ctc.speech_ctc import HeadSettings
from components.training.config import TrainingConfig
from components.training.examples.batches import plan_batches
from components.training.loop.cross_entropy import mean_per_token


@dataclass(frozen=True)
class SpokenText:
    """A training example: the id of its encoder states, and what is said."""

    id: str
    text: str


@dataclass(frozen=True)
class _Example:
    id: str
    frames: int
    target: tuple[int, ...]


class CtcLearner:
    """Learns a CTC head (Graves et al. 2006) on the states of a frozen encoder.

    The word accuracy (100 less the WER in percent) of greedy search on the development set chooses the
    checkpoint. What is longer than its frames allow is left out.

    Args:
        config: settings of the trainer; ``batch_tokens`` counts frames.
        settings: of the head.
        texts: for training and for development.
        states: id -> encoder states (T, width); may read them from disk on access.
        device: of the head.
        export: writes the head as a model folder.

    Raises:
        DataError: There is nothing to learn from.
    """

    score_name = "word_accuracy"

    def __init__(
        self,
        config: TrainingConfig,
        settings: HeadSettings,
        texts: tuple[Sequence[SpokenText], Sequence[SpokenText]],
        states: Mapping[str, Tensor],
        device: torch.device,
        export: Callable[[CtcHead, Path], None],
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.settings = config, settings
        self.model = settings.build_head(config.dropout).to(device)
        self._states, self._device, self._export = states, device, export
        self.examples, self.dev = (self._prepare(split) for split in texts)
        self.dev_texts = {text.id: spell(text.text) for text in texts[1]}
        self.lengths = [example.frames for example in self.examples]

    def _prepare(self, texts: Sequence[SpokenText]) -> list[_Example]:
        examples = []
        for text in texts:
            target = tuple(encode(text.text, self.settings.characters))
            frames = len(self._states[text.id])
            repeats = sum(a == b for a, b in pairwise(target))
            if target and frames >= len(target) + repeats:
                examples.append(_Example(text.id, frames, target))
        if not examples:
            raise DataError("expected spoken utterances with transcripts to learn from, found none")
        return examples

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Return a batch's mean negative log-likelihood (nats per character), and its characters."""
        return self._loss([self.examples[row] for row in rows])

    def _loss(self, examples: Sequence[_Example]) -> tuple[Tensor, int]:
        count = sum(len(example.target) for example in examples)
        total = functional.ctc_loss(
            self._score_frames(examples).transpose(0, 1),
            torch.tensor([number for example in examples for number in example.target]),
            torch.tensor([example.frames for example in examples]),
            torch.tensor([len(example.target) for example in examples]),
            blank=BLANK,
            reduction="sum",
        )
        return total / count, count

    def _score_frames(self, examples: Sequence[_Example]) -> Tensor:
        """Log-probabilities (N, T, V); where T frames are more than an example has, they mean nothing."""
        states = [self._states[example.id].float() for example in examples]
        padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True).to(self._device)
        lengths = torch.tensor([len(each) for each in states], device=self._device)
        mask = torch.arange(padded.shape[1], device=self._device) < lengths[:, None]
        log_probs: Tensor = self.model(padded, mask)
        return log_probs

    def _dev_batches(self) -> list[list[_Example]]:
        lengths = [example.frames for example in self.dev]
        return [
            [self.dev[row] for row in rows] for rows in plan_batches(lengths, self.config.batch_tokens, None)
        ]

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Return the negative log-likelihood of the development set, in nats per character."""
        self.model.eval()
        return mean_per_token(map(self._loss, self._dev_batches()))

    @torch.no_grad()
    def dev_score(self) -> float:
        """Return 100 less the word error rate, in percent, of greedy search on the development set."""
        self.model.eval()
        pairs = []
        for batch in self._dev_batches():
            for example, log_probs in zip(batch, self._score_frames(batch), strict=True):
                tokens = search_greedily(log_probs[: example.frames].cpu().numpy(), BLANK)
                text = "".join(self.settings.characters[token - BLANK - 1] for token in tokens)
                pairs.append((self.dev_texts[example.id], " ".join(text.split())))
        references, outputs = (list(side) for side in zip(*pairs, strict=True))
        return 100.0 * (1.0 - float(jiwer.wer(references, outputs)))

    def export(self, folder: Path) -> None:
        """Write the model folder."""
        self._export(self.model, folder)
