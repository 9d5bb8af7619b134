"""A translator of many models: every member sees the source, one search writes the translation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.causal import CausalModel
from components.decoding.combine import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation import require_same_rules
from components.decoding.members import Member, require_one_vocabulary
from components.decoding.seq2seq import Seq2SeqModel
from components.ensembling.dropout import DropoutMember
from components.records import Checkpoint
from components.translation.seq2seq import Seq2SeqEngine, translated
from components.translation.translator import Translated

Source = Callable[[Tensor, Tensor], Member]
"""Makes a member for a batch of sources: ids (N, S) and mask (N, S)."""


class EnsembleEngine(Seq2SeqEngine):
    """An :class:`~components.translation.translator.Engine` whose members are mixed by ``combine``.

    ``sources`` are the members by name, in the order in which ``combine`` counts them. The first model's
    tokenizer reads the source and writes the translation, its settings give the rules.
    """

    def __init__(
        self,
        models: Sequence[Seq2SeqModel],
        tokenizer: Any,
        search_config: SearchConfig,
        combine: Combiner,
        sources: Mapping[str, Source],
    ) -> None:
        super().__init__(models[0], tokenizer, search_config)
        self.max_source = min(self.max_source, *(model.positions for model in models))
        names = list(sources)
        self._combine, self._sources = combine, list(sources.values())
        self.vocabulary_size = models[0].vocabulary.size
        self._names = [names[m] for m in combine.active(len(names))]

    def _members(self, ids: Tensor, mask: Tensor) -> list[Member]:
        return [source(ids, mask) for source in self._sources]

    def _text(self, candidate: Candidate) -> Translated:
        return translated(self._tokenizer, candidate, members=self._names)


def seq2seq_source(ready: Seq2SeqModel) -> Source:
    """The model itself, reading the source."""
    return lambda ids, mask: ready.member(input_ids=ids, attention_mask=mask)


def dropout_source(ready: Seq2SeqModel, seed: int) -> Source:
    """The model thinned by Monte-Carlo dropout; the masks depend on ``seed`` and the source sentence."""

    def member(ids: Tensor, mask: Tensor) -> Member:
        keys = [_key(row[kept.bool()]) for row, kept in zip(ids, mask, strict=True)]
        return DropoutMember(ready.member(input_ids=ids, attention_mask=mask), seed, keys=keys)

    return member


def _key(tokens: Tensor) -> int:
    return int.from_bytes(hashlib.sha256(repr(tokens.tolist()).encode()).digest()[:6], "big")


def language_source(ready: CausalModel, start: int) -> Source:
    """A language model of the target language: it sees ``start`` and what has been written."""
    return lambda ids, mask: ready.member([(start,)] * len(ids))


def require_mixable(models: Mapping[str, Seq2SeqModel | CausalModel]) -> None:
    """Raise ConfigError where two models cannot share one search, before anything is decoded.

    They need the same pieces under the same ids, the same special tokens and the same forced ones.
    """
    require_one_vocabulary([(name, ready.vocabulary) for name, ready in models.items()])
    translators = [(name, ready.model) for name, ready in models.items() if isinstance(ready, Seq2SeqModel)]
    require_same_rules(translators)


def distinct(names: Sequence[str]) -> list[str]:
    """The names, numbered where one occurs more than once: a, b, a -> a #1, b, a #2."""
    total, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} #{seen[name]}" if total[name] > 1 else name)
    return found


def composite(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """One record for all members: named and digested after them, at the place of the first."""
    joined = "\n".join(checkpoint.sha256 for checkpoint in checkpoints)
    return checkpoints[0].model_copy(
        update={
            "reference": " + ".join(checkpoint.reference for checkpoint in checkpoints),
            "sha256": hashlib.sha256(joined.encode()).hexdigest(),
            "architecture": "ensemble",
            "lineage": tuple(checkpoint.reference for checkpoint in checkpoints),
        }
    )
