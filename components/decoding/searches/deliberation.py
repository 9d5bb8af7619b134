"""Token scorer from the deliberation network: a first pass drafts, the second is decoded step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.moves import RowTransition
from components.decoding.searches.incremental_stack import IncrementalStack
from components.decoding.searches.search import search
from components.networks.deliberation import DeliberationNetwork, Draft
from components.networks.deliberation_objective import pad_drafts

Tokens = tuple[int, ...]


class DeliberationModel:
    """A loaded deliberation network, prepared for decoding, with the interface of a ``Seq2SeqModel``."""

    def __init__(self, network: DeliberationNetwork, digest: str, name: str, *, first_beam: int = 5) -> None:
        """Prepare ``network``.

        Args:
            network: with both passes.
            digest: of its vocabulary (see :func:`components.decoding.scorers.digest_of`).
            name: how messages name it.
            first_beam: beam size of the first pass, whose best hypothesis is the draft.
        """
        self.network = network.eval()
        self.name = name
        self.first = Seq2SeqModel(network.first, digest, f"{name}, first pass")
        self.model, self.vocabulary = network.first, self.first.vocabulary
        self.positions = self.first.positions
        self._beam = first_beam
        self._logits_processors: list[LogitsProcessor] = logits_processors_of(network.first)

    def build_scorer(
        self, *, input_ids: Tensor, attention_mask: Tensor, drafts: Sequence[Tokens] | None = None
    ) -> DeliberationScorer:
        """Return a token scorer for a batch of sources.

        Args:
            input_ids: (N, S).
            attention_mask: 0 at padding, (N, S).
            drafts: token ids with eos, one sequence per source, instead of the network's own first pass.

        Returns:
            A scorer for one search.
        """
        return DeliberationScorer(self, input_ids, attention_mask, drafts)

    def draft_best(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tokens]:
        """First pass: the best hypothesis of a beam search for each of N sources, with eos where it ended."""
        drafts = self.draft_samples(input_ids, attention_mask, SearchConfig(beam_size=self._beam))
        return [candidates[0] for candidates in drafts]

    def draft_samples(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        config: SearchConfig,
        keys: Sequence[int] | None = None,
    ) -> list[list[Tokens]]:
        """Find the tokens of all candidates for each of N sources, by any search: first pass."""
        scorer = self.first.build_scorer(input_ids=input_ids, attention_mask=attention_mask)
        candidate_lists = search([scorer], config, logits_processors=self._logits_processors, keys=keys)
        return [[candidate.all_tokens for candidate in candidates] for candidates in candidate_lists]


class DeliberationScorer:
    """The :class:`.scorers.TokenScorer` of a batch of sources in a deliberation network.

    Attributes:
        first_pass: the drafts, with eos; None before :meth:`prefill` where it makes them.
    """

    def __init__(
        self, ready: DeliberationModel, source: Tensor, mask: Tensor, drafts: Sequence[Tokens] | None
    ) -> None:
        self.name, self.vocabulary, self.limit = ready.name, ready.vocabulary, ready.positions
        self._ready, self._source, self._mask = ready, source, mask
        self.first_pass = None if drafts is None else list(drafts)

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Encode, draft unless there are drafts, encode the drafts, and score the first token."""
        ready, network = self._ready, self._ready.network
        if self.first_pass is None:
            self.first_pass = ready.draft_best(self._source, self._mask)
        mask = self._mask.bool()
        encoded = network.encode(self._source, self._mask)
        tokens, real = pad_drafts([[draft] for draft in self.first_pass], ready.vocabulary.pad)
        tokens, real = tokens.to(encoded.device), real.to(encoded.device)
        states = network.first_states(encoded, mask, tokens)
        draft = Draft(tokens, real, states, states.new_zeros(len(states)))
        memories = network.memories(encoded, draft)
        self._stack = IncrementalStack(network.first, network.second, memories, (mask, real))
        start = torch.full((len(encoded),), ready.model.config.decoder_start_token_id, device=encoded.device)
        return self._predict(start)

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._stack.prepare_step(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position; see :meth:`.TokenScorer.step`."""
        self._stack.reorder(beam_indices)
        return self._predict(tokens)

    def _predict(self, tokens: Tensor) -> Tensor:
        return self._ready.network.logits(self._stack.step(tokens))
