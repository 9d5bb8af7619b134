"""A translator of many models: every member sees the source, one search writes the translation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation_settings import require_same_constraints
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, require_same_vocabulary
from components.ensembling.token_level.dropout import DropoutScorer
from components.records import Checkpoint
from components.translation.seq2seq import Seq2SeqBackend, to_sentence_translation
from components.translation.translator import SentenceTranslation

BuildScorer = Callable[[Tensor, Tensor], TokenScorer]
"""Makes a member for a batch of sources: ids (N, S) and mask (N, S)."""


class EnsembleBackend(Seq2SeqBackend):
    """An :class:`~components.translation.translator.TranslationBackend` whose members are mixed by ``combine``.

    ``sources`` are the members by name, in the order in which ``combine`` counts them. The first model's
    tokenizer reads the source and writes the translation, its settings give the rules.
    """

    def __init__(
        self,
        models: Sequence[Seq2SeqModel],
        tokenizer: Any,
        search_config: SearchConfig,
        combine: Combiner,
        sources: Mapping[str, BuildScorer],
    ) -> None:
        super().__init__(models[0], tokenizer, search_config)
        self.max_source = min(self.max_source, *(model.positions for model in models))
        names = list(sources)
        self._combine, self._sources = combine, list(sources.values())
        self.vocabulary_size = models[0].vocabulary.size
        self._names = [names[m] for m in combine.active_members(len(names))]

    def _build_scorers(self, ids: Tensor, mask: Tensor) -> list[TokenScorer]:
        return [source(ids, mask) for source in self._sources]

    def _to_translation(self, candidate: Candidate) -> SentenceTranslation:
        return to_sentence_translation(self._tokenizer, candidate, members=self._names)


def translation_scorer_builder(model: Seq2SeqModel) -> BuildScorer:
    """The model itself, reading the source."""
    return lambda ids, mask: model.build_scorer(input_ids=ids, attention_mask=mask)


def dropout_scorer_builder(model: Seq2SeqModel, seed: int) -> BuildScorer:
    """The model thinned by Monte-Carlo dropout; the masks depend on ``seed`` and the source sentence."""

    def build_scorer(ids: Tensor, mask: Tensor) -> TokenScorer:
        keys = [_sentence_key(row[is_token.bool()]) for row, is_token in zip(ids, mask, strict=True)]
        return DropoutScorer(model.build_scorer(input_ids=ids, attention_mask=mask), seed, keys=keys)

    return build_scorer


def _sentence_key(tokens: Tensor) -> int:
    return int.from_bytes(hashlib.sha256(repr(tokens.tolist()).encode()).digest()[:6], "big")


def language_model_scorer_builder(model: CausalModel, start: int) -> BuildScorer:
    """A language model of the target language: it sees ``start`` and what has been written."""
    return lambda ids, mask: model.build_scorer([(start,)] * len(ids))


def require_mixable(models: Mapping[str, Seq2SeqModel | CausalModel]) -> None:
    """Raise ConfigError where two models cannot share one search, before anything is decoded.

    They need the same pieces under the same ids, the same special tokens and the same forced ones.
    """
    require_same_vocabulary([(name, ready.vocabulary) for name, ready in models.items()])
    translators = [(name, ready.model) for name, ready in models.items() if isinstance(ready, Seq2SeqModel)]
    require_same_constraints(translators)


def number_duplicates(names: Sequence[str]) -> list[str]:
    """The names, numbered where one occurs more than once: a, b, a -> a #1, b, a #2."""
    total, counts = Counter(names), Counter[str]()
    unique = []
    for name in names:
        counts[name] += 1
        unique.append(f"{name} #{counts[name]}" if total[name] > 1 else name)
    return unique


def ensemble_checkpoint(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """One record for all members: named and digested after them, at the place of the first."""
    digests = "\n".join(checkpoint.sha256 for checkpoint in checkpoints)
    return checkpoints[0].model_copy(
        update={
            "reference": " + ".join(checkpoint.reference for checkpoint in checkpoints),
            "sha256": hashlib.sha256(digests.encode()).hexdigest(),
            "architecture": "ensemble",
            "lineage": tuple(checkpoint.reference for checkpoint in checkpoints),
        }
    )
