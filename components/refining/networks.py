"""The deliberation network and edit diffusion as refiners of any system's text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from components.decoding.config import SearchConfig
from components.decoding.generation import rules_of
from components.decoding.search import search
from components.errors import ConfigError
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.decisions import Proposal
from components.refining.deliberating import DeliberationModel
from components.refining.denoising import DiffusionModel
from components.refining.engines import DiffusionEngine
from components.refining.selfrefine import SelfRefiner
from components.translation.config import TranslationConfig
from components.translation.factory import resident
from components.translation.seq2seq import Seq2SeqEngine, translated
from components.translation.source import as_data, control_tokens


class _Network:
    """Sources and drafts as ids of the network's vocabulary."""

    kind: type[Any]

    def __init__(self, config: RefineConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device)
        self.checkpoint, ready, self.tokenizer = resident(config.model, settings, store)
        if not isinstance(ready, self.kind):
            raise ConfigError(
                f"model: expected a model of kind {config.method} that the train flow made, "
                f"found {config.model}"
            )
        self.ready: Any = ready
        self.search = SearchConfig(beam_size=1, max_new_tokens=config.max_tokens)
        self._engine = Seq2SeqEngine(ready, self.tokenizer, self.search)
        self._controls = control_tokens(self.tokenizer)

    def check(self, item: Utterance) -> None:
        """A network reads whatever its vocabulary has."""

    def sources(self, items: Sequence[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
        """Padded ids and mask (N, S)."""
        rows = [
            self._engine.prepare(item.text or "", item.source_language, item.target_language).tokens
            for item in items
        ]
        width, device = max(map(len, rows)), self.ready.model.device
        pad = self.ready.vocabulary.pad
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        return ids, (torch.arange(width, device=device) < lengths[:, None]).long()

    def target(self, text: str) -> tuple[int, ...]:
        """Ids of a draft, with eos."""
        return tuple(self.tokenizer(text_target=as_data(text, self._controls)).input_ids)


class Deliberator(_Network):
    """The second decoder, reading the draft at hand instead of its own first pass."""

    kind = DeliberationModel

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """A second pass over each draft."""
        ids, mask = self.sources(items)
        read = [self.target(draft) for draft in drafts]
        member = self.ready.member(input_ids=ids, attention_mask=mask, drafts=read)
        beam = SearchConfig(beam_size=5, max_new_tokens=self.search.max_new_tokens)
        found = search([member], beam, rules=rules_of(self.ready.model))
        made = [translated(self.tokenizer, row[0]) for row in found]
        return [Proposal(one.text, None, one.score) for one in made]


class Diffuser(_Network):
    """One step of the reverse process, counted down from as many steps as there are rounds."""

    kind = DiffusionModel

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """Step ``step`` (the last is 1) on each draft."""
        engine = DiffusionEngine(self.ready, self.tokenizer, self.search)
        t = max(1, min(step, self.ready.network.steps))
        canvases = [self.target(draft)[:-1] for draft in drafts]
        found = engine.step(self.sources(items), canvases, t)
        made = [translated(self.tokenizer, candidate) for candidate in found]
        return [Proposal(one.text, None, one.score) for one in made]


METHODS: dict[str, type[SelfRefiner | Deliberator | Diffuser]] = {
    "self_refine": SelfRefiner,
    "deliberation": Deliberator,
    "diffusion": Diffuser,
}
