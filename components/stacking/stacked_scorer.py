"""A stacked model as a scorer of the search, with its attention caches."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import Vocabulary, digest_of
from components.networks.cached_attention import KeyValue
from components.networks.stacked_model import Memory, Sources
from components.stacking.model_folder import LoadedStackedModel


class StackedScorer:
    """A :class:`~components.decoding.scorers.TokenScorer` of a stacked model, prepared for N utterances.

    Keys and values of the encoder's memory are computed once per utterance, those of self-attention are
    cached per row.
    """

    def __init__(self, stacked: LoadedStackedModel, sources: Sources) -> None:
        model = stacked.model
        self.name, self.limit = stacked.name, int(model.config.max_position_embeddings)
        self.vocabulary = vocabulary_of(stacked)
        self._model, self._sources = model, sources.to(model.device)
        self._cache: list[KeyValue] = []

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Encode the sources and run the start token; logits (N, V)."""
        self._memory = self._model.encode(self._sources)
        self._layer_memories = self._model.project_memory(self._memory)
        n = len(self._memory.mask)
        device = self._model.device
        self.rows = RowLayout(n, device)
        return self._run_decoder(torch.full((n, 1), self._model.config.decoder_start_token_id, device=device))

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position; logits (R, V)."""
        before = (self.rows.n, self.rows.b, self.rows.cells)
        move = self.rows.move(beam_indices)
        if not move.is_identity:
            self._cache = [(keys[beam_indices], values[beam_indices]) for keys, values in self._cache]
            if move.remaining is not None or before != (
                move.n,
                move.b,
                None,
            ):  # rows see an utterance's memory
                self._select_memories(beam_indices)
        return self._run_decoder(tokens[:, None])

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    def _select_memories(self, rows: Tensor) -> None:
        self._layer_memories = [layer_memory.select(rows) for layer_memory in self._layer_memories]
        memory = self._memory
        speech_mask = None if memory.speech_mask is None else memory.speech_mask[rows]
        self._memory = Memory(memory.states, memory.mask[rows], memory.speech, speech_mask)

    def _run_decoder(self, tokens: Tensor) -> Tensor:
        hidden = self._model.decode_hidden(tokens, self._memory, self._layer_memories, self._cache)
        return self._model.logits(hidden[:, -1])


def vocabulary_of(stacked: LoadedStackedModel) -> Vocabulary:
    """Return a stacked model's output vocabulary: that of the text model that it started from."""
    config = stacked.model.config
    digest = digest_of(stacked.tokenizer.get_vocab())
    return Vocabulary(int(config.vocab_size), (int(config.eos_token_id),), int(config.pad_token_id), digest)
