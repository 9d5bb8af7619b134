"""A translation backend of several models: each reads the source, and one search writes the translation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import DraftBuilder
from components.decoding.mixing.same_constraints import require_same_constraints
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, require_same_vocabulary
from components.ensembling.token_level.dropout import DropoutScorer
from components.records import Checkpoint
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend, to_sentence_translation
from components.translation.context.guides import TermsGuide
from components.translation.sentence_translation import SentenceTranslation

BuildScorer = Callable[[Tensor, Tensor], TokenScorer]
"""Builds the scorer of one member for a batch of sources, given as ids (N, S) and mask (N, S)."""


class EnsembleBackend(Seq2SeqBackend):
    """A :class:`.TranslationBackend` of several members.

    Args:
        models: the encoder-decoder members; the first one's generation settings constrain the search.
        tokenizer: the first model's, which reads the source and writes the translation.
        search_config: settings of the search.
        combiner: mixes the members.
        builders: every member by name, in the order in which ``combiner`` counts them.
        terms: those that translations should have.
        draft: a smaller model that proposes tokens to a greedy search, all members verify.
    """

    def __init__(
        self,
        models: Sequence[Seq2SeqModel],
        tokenizer: Any,
        search_config: SearchConfig,
        combiner: Combiner,
        builders: Mapping[str, BuildScorer],
        *,
        terms: TermsGuide | None = None,
        draft: DraftBuilder | None = None,
    ) -> None:
        super().__init__(models[0], tokenizer, search_config, terms=terms, draft=draft)
        self.max_source = min(self.max_source, *(model.positions for model in models))
        names = list(builders)
        self._combine, self._builders = combiner, list(builders.values())
        self.n_members = len(names)
        self.vocabulary_size = models[0].vocabulary.size
        self._names = [names[m] for m in combiner.active_members(len(names))]

    def _build_scorers(self, ids: Tensor, mask: Tensor) -> list[TokenScorer]:
        return [build_scorer(ids, mask) for build_scorer in self._builders]

    def _to_translation(self, candidate: Candidate) -> SentenceTranslation:
        return to_sentence_translation(self._tokenizer, candidate, members=self._names)


def translation_scorer_builder(model: Seq2SeqModel) -> BuildScorer:
    """Return a member that reads the source."""
    return lambda ids, mask: model.build_scorer(input_ids=ids, attention_mask=mask)


def dropout_scorer_builder(model: Seq2SeqModel, seed: int) -> BuildScorer:
    """Return a member with Monte-Carlo dropout; its masks depend on ``seed`` and on the source sentence."""

    def build_scorer(ids: Tensor, mask: Tensor) -> TokenScorer:
        keys = [_sentence_key(row[is_token.bool()]) for row, is_token in zip(ids, mask, strict=True)]
        return DropoutScorer(model.build_scorer(input_ids=ids, attention_mask=mask), seed, keys=keys)

    return build_scorer


def _sentence_key(tokens: Tensor) -> int:
    return int.from_bytes(hashlib.sha256(repr(tokens.tolist()).encode()).digest()[:6], "big")


def language_model_scorer_builder(model: CausalModel, start: int) -> BuildScorer:
    """Make a language model of the target language a member: it reads ``start`` and the translation."""
    return lambda ids, mask: model.build_scorer([(start,)] * len(ids))


def require_mixable(models: Mapping[str, Seq2SeqModel | CausalModel]) -> None:
    """Refuse models that cannot share one search, before anything is decoded.

    They need the same pieces under the same ids, the same special tokens and the same forced ones.

    Raises:
        ConfigError: two of them differ; it names the second.
    """
    require_same_vocabulary([(name, model.vocabulary) for name, model in models.items()])
    translators = [(name, model.model) for name, model in models.items() if isinstance(model, Seq2SeqModel)]
    require_same_constraints(translators)


def number_duplicates(names: Sequence[str]) -> list[str]:
    """Return the names, numbered where one occurs more than once: a, b, a -> a #1, b, a #2."""
    total, counts = Counter(names), Counter[str]()
    unique = []
    for name in names:
        counts[name] += 1
        unique.append(f"{name} #{counts[name]}" if total[name] > 1 else name)
    return unique


def ensemble_checkpoint(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Make one record of all members: name and digest of theirs, the path is the first one's."""
    digests = "\n".join(checkpoint.sha256 for checkpoint in checkpoints)
    return checkpoints[0].model_copy(
        update={
            "reference": " + ".join(checkpoint.reference for checkpoint in checkpoints),
            "sha256": hashlib.sha256(digests.encode()).hexdigest(),
            "architecture": "ensemble",
            "lineage": tuple(checkpoint.reference for checkpoint in checkpoints),
        }
    )
