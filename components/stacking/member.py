"""A stacked model in the one decoder: keys of the memory once per utterance, self-attention kept per row."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.members import Vocabulary, digest_of
from components.stacking.attention import Pair
from components.stacking.loading import Stacked
from components.stacking.model import Memory, Sources


class StackedMember:
    """N utterances in one stacked model; see :class:`components.decoding.Member`."""

    def __init__(self, ready: Stacked, sources: Sources) -> None:
        model = ready.model
        self.name, self.limit = ready.name, int(model.config.max_position_embeddings)
        self.vocabulary = vocabulary_of(ready)
        self._model, self._sources = model, sources.to(model.device)
        self._cache: list[Pair] = []

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Encode, and run the start token; scores are logits."""
        self._memory = self._model.encode(self._sources)
        self._keys = self._model.keys(self._memory)
        n = len(self._memory.mask)
        device = self._model.device
        self._utterances = torch.arange(n, device=device)
        return self._step(torch.full((n, 1), self._model.config.decoder_start_token_id, device=device))

    @torch.inference_mode()
    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Reorder what is kept and run one position."""
        self._cache = [(keys[parents], values[parents]) for keys, values in self._cache]
        moved = self._utterances[parents]
        if not torch.equal(moved, self._utterances):  # rows of one utterance see the same memory
            self._keys = [each.select(parents) for each in self._keys]
            memory = self._memory
            heard = None if memory.heard is None else memory.heard[parents]
            self._memory = Memory(memory.states, memory.mask[parents], memory.sound, heard)
            self._utterances = moved
        return self._step(tokens[:, None])

    def _step(self, tokens: Tensor) -> Tensor:
        hidden = self._model.hidden(tokens, self._memory, self._keys, self._cache)
        return self._model.logits(hidden[:, -1])


def vocabulary_of(ready: Stacked) -> Vocabulary:
    """Output tokens of a stacked model: those of the text model that it started from."""
    config = ready.model.config
    digest = digest_of(ready.tokenizer.get_vocab())
    return Vocabulary(int(config.vocab_size), (int(config.eos_token_id),), int(config.pad_token_id), digest)
