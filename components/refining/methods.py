"""The refinement methods, as a table: self-refine, the deliberation network, edit diffusion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from typing_extensions import override

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.decoding.searches.search import search
from components.errors import ConfigError
from components.networks.writer_trace import Tokens
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.judging.decisions import Proposal
from components.refining.self_refine import SelfRefiner, make_self_refiner
from components.text.sanitization import find_control_tokens, sanitize
from components.translation.backends.edit_diffusion.model import EditDiffusionBackend
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend, to_sentence_translation
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident


class _NetworkRefiner(ABC):
    """Base of refiners by a trained network: sources and drafts as ids of its vocabulary."""

    kind: type[Any]
    parts: int = 1
    """A draft may have the model's positions divided by this."""

    def __init__(self, config: RefineConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device, dtype=config.dtype)
        self.checkpoint, ready, self.tokenizer = load_resident(config.model, settings, store)
        if not isinstance(ready, self.kind):
            raise ConfigError(
                f"model: expected a model of kind {config.method} that the train flow made, "
                f"found {config.model}"
            )
        self.ready: Any = ready
        self.search = SearchConfig(beam_size=1, max_new_tokens=config.max_tokens)
        self._engine = Seq2SeqBackend(ready, self.tokenizer, self.search)
        self._controls = find_control_tokens(self.tokenizer)

    def check(self, item: Utterance) -> None:  # noqa: B027 - a choice, not a gap
        """Refuse nothing: a network reads whatever its vocabulary has."""

    @abstractmethod
    def write(self, source: tuple[Tensor, Tensor], drafts: Sequence[Tokens], step: int) -> list[Candidate]:
        """Write a text for each of N drafts, ids with end of sentence.

        Args:
            source: of each, ids and mask (N, S).
            drafts: they.
            step: rounds that are left, this one among them.
        """

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """Propose a text for each draft; one that is too long for the network, or whose source is, stays."""
        prepare, engine = self._engine.prepare, self._engine
        sources = [prepare(item.text or "", item.source_language, item.target_language) for item in items]
        ids = [self.tokenizer(text_target=sanitize(draft, self._controls)).input_ids for draft in drafts]
        proposals = [Proposal(draft, None, None) for draft in drafts]
        short = [
            number
            for number, (source, draft) in enumerate(zip(sources, ids, strict=True))
            if len(source.tokens) <= engine.max_source and len(draft) <= self.ready.positions // self.parts
        ]
        if short:
            source = engine.pad([sources[number] for number in short])
            written = self.write(source, [tuple(ids[number]) for number in short], step)
            for number, candidate in zip(short, written, strict=True):
                translation = to_sentence_translation(self.tokenizer, candidate)
                proposals[number] = Proposal(translation.text, None, translation.score)
        return proposals


class DeliberationRefiner(_NetworkRefiner):
    """The deliberation network, whose second decoder reads the draft instead of its own first pass."""

    kind = DeliberationModel

    @override
    def write(self, source: tuple[Tensor, Tensor], drafts: Sequence[Tokens], step: int) -> list[Candidate]:
        scorer = self.ready.build_scorer(input_ids=source[0], attention_mask=source[1], drafts=drafts)
        beam = SearchConfig(beam_size=5, max_new_tokens=self.search.max_new_tokens)
        found = search([scorer], beam, logits_processors=logits_processors_of(self.ready.model))
        return [candidates[0] for candidates in found]


class EditDiffusionRefiner(_NetworkRefiner):
    """Edit diffusion: a round is one step of the reverse process; the last is step 1."""

    kind, parts = EditDiffusionModel, 2

    @override
    def write(self, source: tuple[Tensor, Tensor], drafts: Sequence[Tokens], step: int) -> list[Candidate]:
        engine = EditDiffusionBackend(self.ready, self.tokenizer, self.search)
        t = max(1, min(step, self.ready.network.steps))
        return engine.denoise(source, [draft[:-1] for draft in drafts], t)


METHODS: dict[
    str, Callable[[RefineConfig, str | None], SelfRefiner | DeliberationRefiner | EditDiffusionRefiner]
] = {
    "self_refine": make_self_refiner,
    "deliberation": DeliberationRefiner,
    "diffusion": EditDiffusionRefiner,
}
"""Refinement methods by the names of the setting ``method``."""
