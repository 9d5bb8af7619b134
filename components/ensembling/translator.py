"""A translator of many models: every member sees the source, one search writes the translation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from components.decoding import Candidate, Combiner, Member, SearchConfig
from components.decoding.causal import CausalModel
from components.decoding.generation import setting
from components.decoding.seq2seq import Seq2SeqModel
from components.ensembling.dropout import DropoutMember
from components.errors import ConfigError
from components.records import Checkpoint
from components.translation.seq2seq import Seq2SeqEngine, translated
from components.translation.translator import Translated

Source = Callable[[Tensor, Tensor], Member]
"""Makes a member for a batch of sources: ids (N, S) and mask (N, S)."""

FORCED = ("forced_bos_token_id", "forced_eos_token_id", "bad_words_ids", "suppress_tokens")


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


def require_mixable(models: Sequence[Seq2SeqModel | CausalModel]) -> None:
    """Raise ConfigError where two models cannot share one search, before anything is decoded.

    They need the same pieces under the same ids, the same special tokens and the same forced ones.
    """
    first = models[0]
    for other in models[1:]:
        if other.vocabulary.digest != first.vocabulary.digest:
            raise ConfigError(
                f"{other.name}: expected the vocabulary of {first.name} ({first.vocabulary.size} pieces, "
                f"{first.vocabulary.digest[:12]}), found another ({other.vocabulary.size} pieces, "
                f"{other.vocabulary.digest[:12]}); train it with tokenizer={first.name}, or pool the outputs"
            )
        if replace(other.vocabulary, digest="") != replace(first.vocabulary, digest=""):
            raise ConfigError(
                f"{other.name}: expected the special tokens of {first.name} ({_specials(first)}), found "
                f"{_specials(other)}; correct its generation_config.json"
            )
        if isinstance(other, Seq2SeqModel):
            _require_same_rules(first, other)


def _specials(model: Seq2SeqModel | CausalModel) -> str:
    vocabulary = model.vocabulary
    return f"size {vocabulary.size}, eos {vocabulary.eos}, pad {vocabulary.pad}"


def _require_same_rules(first: Any, other: Any) -> None:
    for name in FORCED:
        mine, its = setting(first.model, name), setting(other.model, name)
        if mine != its:
            raise ConfigError(
                f"{other.name}: expected {name} {mine!r} as in {first.name}, found {its!r}; "
                "correct its generation_config.json"
            )


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
