"""The deliberation network as a member of the search: it drafts, reads its draft, and writes step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.generation import rules_of
from components.decoding.rules import Rule
from components.decoding.search import search
from components.decoding.seq2seq import Seq2SeqModel
from components.refining.deliberation import Deliberation, Draft
from components.refining.estimate import draft_rows
from components.refining.stepping import Steps

Tokens = tuple[int, ...]


class DeliberationModel:
    """A loaded network, made ready for decoding: it stands where a Seq2SeqModel does.

    ``first_beam`` is the beam of the first pass, whose best hypothesis is the draft.
    """

    def __init__(self, network: Deliberation, digest: str, name: str, *, first_beam: int = 5) -> None:
        self.network = network.eval()
        self.name = name
        self.first = Seq2SeqModel(network.first, digest, f"{name}, first pass")
        self.model, self.vocabulary = network.first, self.first.vocabulary
        self.positions = self.first.positions
        self._beam = first_beam
        self._rules: list[Rule] = rules_of(network.first)

    def member(
        self, *, input_ids: Tensor, attention_mask: Tensor, drafts: Sequence[Tokens] | None = None
    ) -> DeliberationMember:
        """A member for sources (N, S); ``drafts`` (ids with eos) replace the network's own first pass."""
        return DeliberationMember(self, input_ids, attention_mask, drafts)

    def drafts(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tokens]:
        """The first pass of N sources: the best hypothesis of a beam search, with eos where it ended."""
        found = self.samples(input_ids, attention_mask, SearchConfig(beam_size=self._beam))
        return [candidates[0] for candidates in found]

    def samples(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        config: SearchConfig,
        keys: Sequence[int] | None = None,
    ) -> list[list[Tokens]]:
        """First passes of N sources by any search of the decoder: samples for training, a beam's best."""
        member = self.first.member(input_ids=input_ids, attention_mask=attention_mask)
        found = search([member], config, rules=self._rules, keys=keys)
        return [[with_ending(candidate) for candidate in candidates] for candidates in found]


def with_ending(candidate: Candidate) -> Tokens:
    """The tokens of a candidate with its eos, if it has one; never empty."""
    ending = () if candidate.ending is None else (candidate.ending,)
    return (*candidate.tokens, *ending)


class DeliberationMember:
    """One batch of sources; see :class:`components.decoding.Member`. ``first_pass`` are its drafts."""

    def __init__(
        self, ready: DeliberationModel, source: Tensor, mask: Tensor, drafts: Sequence[Tokens] | None
    ) -> None:
        self.name, self.vocabulary, self.limit = ready.name, ready.vocabulary, ready.positions
        self._ready, self._source, self._mask = ready, source, mask
        self.first_pass = None if drafts is None else list(drafts)

    @torch.inference_mode()
    def begin(self) -> Tensor:
        """Encode, draft unless drafts were given, read the draft, and predict the first token."""
        ready, network = self._ready, self._ready.network
        if self.first_pass is None:
            self.first_pass = ready.drafts(self._source, self._mask)
        mask = self._mask.bool()
        encoded = network.encode(self._source, self._mask)
        tokens, real = draft_rows([[draft] for draft in self.first_pass], ready.vocabulary.pad)
        tokens, real = tokens.to(encoded.device), real.to(encoded.device)
        states = network.first_states(encoded, mask, tokens)
        draft = Draft(tokens, real, states, states.new_zeros(len(states)))
        memories = network.memories(encoded, draft)
        self._steps = Steps(network.first, network.second, memories, (mask, real))
        start = torch.full((len(encoded),), ready.model.config.decoder_start_token_id, device=encoded.device)
        return self._predict(start)

    @torch.inference_mode()
    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position."""
        self._steps.follow(parents)
        return self._predict(tokens)

    def _predict(self, tokens: Tensor) -> Tensor:
        return self._ready.network.logits(self._steps.step(tokens))
