"""Pre-translation (Niehues et al. 2016): a second system reads the source and the first one's translation.

Source and draft are one sequence with the end-of-sentence piece between them. The drafts of the training data
come from jackknifing: each part is translated by a model that was trained on the other parts, so the second
system learns from drafts as bad as those that it will see.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from components.errors import DataError
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.training.config import TrainingConfig
from components.training.examples.batches import Example
from components.training.examples.parallel_data import Pair
from components.training.initialization import load_initial_model
from components.training.learners.translation_learner import PairLearner

SEPARATOR = "</s>"


def join_texts(*texts: str) -> str:
    """Return texts, such as source and draft, as one, with the separator between them and never inside."""
    return SEPARATOR.join(" ".join(text.replace(SEPARATOR, " ").split()) for text in texts)


def split_folds(count: int, total: int) -> list[range]:
    """Split ``total`` items into ``count`` folds; fold k has the items k, k + count, and so on."""
    return [range(k, total, count) for k in range(min(count, total))]


class DraftLearner(PairLearner):
    """Learner of the second system: it starts from a text model and reads source and draft as one text."""

    def __init__(
        self,
        config: TrainingConfig,
        pairs: tuple[Sequence[Pair], Sequence[Pair]],
        device: torch.device,
        store: str | None = None,
    ) -> None:
        assert config.init_from is not None
        self.config, self.dev_pairs = config, pairs[1]
        self.tokenizer = load_transformers(resolve(config.init_from, store), "seq2seq")[1]
        examples, self.dev_examples = (self._tokenize(split) for split in pairs)
        self._set_model(load_initial_model(config, store), examples, device)

    def _tokenize(self, pairs: Sequence[Pair]) -> list[Example]:
        examples = [
            Example(
                tuple(self.tokenizer(source).input_ids), tuple(self.tokenizer(text_target=target).input_ids)
            )
            for source, target in pairs
        ]
        short_enough = [example for example in examples if example.length <= self.config.max_length]
        if not short_enough:
            raise DataError(
                f"expected source and draft of at most {self.config.max_length} pieces together, found none "
                f"in {len(examples)}: train the first systems longer (fold_steps), or set max_tokens"
            )
        return short_enough
