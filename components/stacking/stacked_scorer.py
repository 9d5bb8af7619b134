"""A stacked model in the one decoder: keys of the memory once per utterance, self-attention kept per row."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.scorers import Vocabulary, digest_of
from components.networks.cached_attention import KeyValue
from components.networks.stacked_model import Memory, Sources
from components.stacking.model_folder import LoadedStackedModel


class StackedScorer:
    """N utterances in one stacked model; see :class:`components.decoding.TokenScorer`."""

    def __init__(self, stacked: LoadedStackedModel, sources: Sources) -> None:
        model = stacked.model
        self.name, self.limit = stacked.name, int(model.config.max_position_embeddings)
        self.vocabulary = vocabulary_of(stacked)
        self._model, self._sources = model, sources.to(model.device)
        self._cache: list[KeyValue] = []

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Encode, and run the start token; scores are logits."""
        self._memory = self._model.encode(self._sources)
        self._keys = self._model.project_memory(self._memory)
        n = len(self._memory.mask)
        device = self._model.device
        self._utterances = torch.arange(n, device=device)
        return self._run_decoder(torch.full((n, 1), self._model.config.decoder_start_token_id, device=device))

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder what is kept and run one position."""
        self._cache = [(keys[beam_indices], values[beam_indices]) for keys, values in self._cache]
        utterances = self._utterances[beam_indices]
        if not torch.equal(utterances, self._utterances):  # rows of one utterance see the same memory
            self._keys = [layer_memory.select(beam_indices) for layer_memory in self._keys]
            memory = self._memory
            speech_mask = None if memory.speech_mask is None else memory.speech_mask[beam_indices]
            self._memory = Memory(memory.states, memory.mask[beam_indices], memory.speech, speech_mask)
            self._utterances = utterances
        return self._run_decoder(tokens[:, None])

    def _run_decoder(self, tokens: Tensor) -> Tensor:
        hidden = self._model.decode_hidden(tokens, self._memory, self._keys, self._cache)
        return self._model.logits(hidden[:, -1])


def vocabulary_of(stacked: LoadedStackedModel) -> Vocabulary:
    """Output tokens of a stacked model: those of the text model that it started from."""
    config = stacked.model.config
    digest = digest_of(stacked.tokenizer.get_vocab())
    return Vocabulary(int(config.vocab_size), (int(config.eos_token_id),), int(config.pad_token_id), digest)
