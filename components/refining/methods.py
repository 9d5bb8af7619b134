"""The refinement methods, as a table: self-refine, the deliberation network, edit diffusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.decoding.searches.search import search
from components.errors import ConfigError
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.judging.decisions import Proposal
from components.refining.self_refine import SelfRefiner, make_self_refiner
from components.text.sanitization import find_control_tokens, sanitize
from components.translation.backends.edit_diffusion.model import EditDiffusionBackend
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend, to_sentence_translation
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident


class _NetworkRefiner:
    """Base of refiners by a trained network: sources and drafts as ids of its vocabulary."""

    kind: type[Any]

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

    def check(self, item: Utterance) -> None:
        """Refuse nothing: a network reads whatever its vocabulary has."""

    def pad_sources(self, items: Sequence[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode and pad the utterances' sources: ids and mask (N, S)."""
        prepare = self._engine.prepare
        return self._engine.pad(
            [prepare(item.text or "", item.source_language, item.target_language) for item in items]
        )

    def encode_draft(self, text: str) -> tuple[int, ...]:
        """Encode a draft: ids with end of sentence."""
        return tuple(self.tokenizer(text_target=sanitize(text, self._controls)).input_ids)


class DeliberationRefiner(_NetworkRefiner):
    """The deliberation network, whose second decoder reads the draft instead of its own first pass."""

    kind = DeliberationModel

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """Propose a second pass over each draft."""
        ids, mask = self.pad_sources(items)
        draft_ids = [self.encode_draft(draft) for draft in drafts]
        scorer = self.ready.build_scorer(input_ids=ids, attention_mask=mask, drafts=draft_ids)
        beam = SearchConfig(beam_size=5, max_new_tokens=self.search.max_new_tokens)
        candidate_lists = search([scorer], beam, logits_processors=logits_processors_of(self.ready.model))
        translations = [to_sentence_translation(self.tokenizer, row[0]) for row in candidate_lists]
        return [Proposal(translation.text, None, translation.score) for translation in translations]


class EditDiffusionRefiner(_NetworkRefiner):
    """Edit diffusion: a round is one step of the reverse process."""

    kind = EditDiffusionModel

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """Step ``step`` (the last is 1) on each draft."""
        engine = EditDiffusionBackend(self.ready, self.tokenizer, self.search)
        t = max(1, min(step, self.ready.network.steps))
        canvases = [self.encode_draft(draft)[:-1] for draft in drafts]
        candidates = engine.denoise(self.pad_sources(items), canvases, t)
        translations = [to_sentence_translation(self.tokenizer, candidate) for candidate in candidates]
        return [Proposal(translation.text, None, translation.score) for translation in translations]


METHODS: dict[
    str, Callable[[RefineConfig, str | None], SelfRefiner | DeliberationRefiner | EditDiffusionRefiner]
] = {
    "self_refine": make_self_refiner,
    "deliberation": DeliberationRefiner,
    "diffusion": EditDiffusionRefiner,
}
"""Refinement methods by the names of the setting ``method``."""
