"""Pre-translation (Niehues et al. 2016): a second system reads the source and the first one's translation.

Source and draft are one sequence with the end-of-sentence piece between them. The drafts of the training data
come from jackknifing: each part is translated by a model that was trained on the other parts, so the second
system learns from drafts as bad as those that it will see.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from components.errors import DataError
from components.models import resolve
from components.models.loading import load_transformers
from components.training import batches, dev, objective
from components.training.batches import Example
from components.training.config import TrainingConfig
from components.training.pairs import Pair

SEPARATOR = "</s>"


def with_draft(source: str, draft: str) -> str:
    """Source and draft as one text; neither may contain the separator itself."""
    plain = (" ".join(text.replace(SEPARATOR, " ").split()) for text in (source, draft))
    return SEPARATOR.join(plain)


def folds(count: int, total: int) -> list[range]:
    """``total`` items in ``count`` parts: the items of part k are k, k + count, and so on."""
    return [range(k, total, count) for k in range(min(count, total))]


class DraftLearner:
    """The second system: starts from a text model, reads joined texts; greedy BLEU on dev decides."""

    score_name = "bleu"

    def __init__(
        self,
        config: TrainingConfig,
        pairs: tuple[Sequence[Pair], Sequence[Pair]],
        device: torch.device,
        store: str | None = None,
    ) -> None:
        assert config.start is not None
        self.config, self.dev_pairs = config, pairs[1]
        self.model, self.tokenizer = load_transformers(resolve(config.start, store), "seq2seq")
        self.model.config.dropout = config.dropout
        for module in self.model.modules():
            if isinstance(getattr(module, "dropout", None), float) and module.dropout:
                module.dropout = config.dropout
        self.model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")
        self.model.to(device)
        self.examples, self.dev_examples = (self._encoded(each) for each in pairs)
        self.lengths = [example.length for example in self.examples]

    def _encoded(self, pairs: Sequence[Pair]) -> list[Example]:
        examples = [
            Example(
                tuple(self.tokenizer(source).input_ids), tuple(self.tokenizer(text_target=target).input_ids)
            )
            for source, target in pairs
        ]
        kept = [example for example in examples if example.length <= self.config.max_length]
        if not kept:
            raise DataError(f"expected pairs of at most {self.config.max_length} pieces, found none")
        return kept

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Mean label-smoothed cross-entropy of a batch, and its target tokens."""
        batch = batches.collate([self.examples[i] for i in rows], self.model.config.pad_token_id)
        return objective.loss(self.model, batch.to(self.model.device), self.config.label_smoothing)

    def dev_loss(self) -> float:
        """Cross-entropy, nats per target token."""
        return dev.dev_loss(self.model, self.dev_examples, self.config.batch_pieces)

    def dev_score(self) -> float:
        """Greedy BLEU on the first ``eval_sentences`` of the development set."""
        return dev.dev_bleu(self.model, self.tokenizer, self.dev_pairs[: self.config.eval_sentences])

    def export(self, folder: Path) -> None:
        """A folder that transformers loads."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
