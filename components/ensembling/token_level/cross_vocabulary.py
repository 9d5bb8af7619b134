"""A translator whose members have tokenizers of their own: each reads the source in its own pieces, and what
they say next is mixed over a shared vocabulary (:mod:`components.ensembling.token_level.vocabulary_mapping`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.decoding import logits_processors
from components.decoding.candidates import Candidate, member_scores_at
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation_settings import generation_setting
from components.decoding.logits_processors import LogitsProcessor
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.search import search
from components.ensembling.token_level.vocabulary_coverage import LOST_PREFIX
from components.ensembling.token_level.vocabulary_mapping import (
    Lexicon,
    MappedScorer,
    SharedVocabulary,
    intersect_vocabularies,
    unite_vocabularies,
)
from components.errors import ConfigError, DataError
from components.models.architectures import MULTILINGUAL
from components.records import Token
from components.translation.seq2seq import Seq2SeqBackend
from components.translation.translator import Sentence, SentenceTranslation

VOCABULARY_SHARING: dict[str, Callable[[Sequence[Lexicon]], SharedVocabulary]] = {
    "intersection": intersect_vocabularies,
    "union": unite_vocabularies,
}
"""Ways to share a vocabulary."""


_TOKEN_RULES = (
    *("sequence_bias", "no_repeat_ngram_size", "min_length", "min_new_tokens"),
    *("forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens"),
)


class VocabularyMember(NamedTuple):
    """A member: what prepares its source, its model, its pieces."""

    backend: Seq2SeqBackend
    model: Seq2SeqModel
    lexicon: Lexicon


@dataclass(frozen=True)
class _TokenizedPerMember(Sentence):
    """A sentence as every member reads it; ``tokens`` are the first one's."""

    versions: tuple[Sentence, ...] = ()


class CrossVocabularyBackend:
    """An :class:`~components.translation.translator.TranslationBackend` over engines by name, in the combiner's order.

    Every hypothesis has, per member, the feature ``dropped:NAME``: the probability, averaged over the rows
    and steps of its search, that the member gave to pieces which the shared vocabulary lacks. ConfigError for
    models that force or forbid tokens beyond their ends and padding, which has no meaning for the others.
    """

    def __init__(
        self,
        members: Mapping[str, VocabularyMember],
        search_config: SearchConfig,
        combine: Combiner,
        sharing: str,
    ) -> None:
        for name, member in members.items():
            _require_no_token_rules(name, member)
        names = list(members)
        self._active = combine.active_members(len(names))
        self._names = [names[index] for index in self._active]
        self._vocabulary_members, self._search, self._combine = list(members.values()), search_config, combine
        self._shared = VOCABULARY_SHARING[sharing]([reader.lexicon for reader in self._vocabulary_members])
        self.max_source = self._vocabulary_members[0].backend.max_source
        pieces, eos = self._shared.lexicon.pieces, self._shared.lexicon.vocabulary.eos
        self._rules: list[LogitsProcessor] = [
            logits_processors.suppress(
                [i for i, piece in enumerate(pieces) if _is_special(piece) and i not in eos]
            ),
            logits_processors.force_last(eos),
        ]

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """See :class:`Engine`."""
        versions = tuple(member.backend.prepare(text, source, target) for member in self._vocabulary_members)
        for reader, version in zip(self._vocabulary_members, versions, strict=True):
            if len(version.tokens) > (most := reader.backend.max_source):
                raise DataError(
                    f"expected at most {most} tokens of {reader.model.name} per sentence, "
                    f"found {len(version.tokens)}: split it"
                )
        return _TokenizedPerMember(versions[0].tokens, target, versions)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """See :class:`Engine`."""
        scorers = [self._build_scorer(index, sentences) for index in range(len(self._vocabulary_members))]
        nbests = search(scorers, self._search, logits_processors=self._rules, combiner=self._combine)
        lost = {
            LOST_PREFIX + name: scorer.lost.per_utterance
            for name, place in zip(self._names, self._active, strict=True)
            if isinstance(scorer := scorers[place], MappedScorer)
        }
        return [
            [
                self._to_translation(
                    candidate, {name: lost_per_utterance[row] for name, lost_per_utterance in lost.items()}
                )
                for candidate in candidates
            ]
            for row, candidates in enumerate(nbests)
        ]

    def _build_scorer(self, index: int, sentences: Sequence[Sentence]) -> TokenScorer:
        sentences_of_member = [
            sentence.versions[index] for sentence in sentences if isinstance(sentence, _TokenizedPerMember)
        ]
        member = self._vocabulary_members[index]
        return self._shared.map_scorer(
            member.backend.build_scorers(sentences_of_member)[0], index, member.lexicon
        )

    def _to_translation(self, candidate: Candidate, lost: Mapping[str, float]) -> SentenceTranslation:
        lexicon = self._shared.lexicon
        ids = [*candidate.tokens, *(() if candidate.eos_token is None else (candidate.eos_token,))]
        return SentenceTranslation(
            text=lexicon.text(candidate.tokens),
            score=candidate.score,
            rank=candidate.normalized_score,
            tokens=tuple(
                Token(
                    piece=lexicon.pieces[token],
                    log_prob=value,
                    members=member_scores_at(self._names, candidate.member_log_probs, position),
                    weights=member_scores_at(self._names, candidate.member_weights, position),
                )
                for position, (token, value) in enumerate(zip(ids, candidate.log_probs, strict=True))
            ),
            finished=candidate.finished,
            features=lost,
        )


def _is_special(piece: str) -> bool:
    return piece.startswith("<") and piece.endswith(">") and len(piece) > 2


def _require_no_token_rules(name: str, member: VocabularyMember) -> None:
    model, pieces = member.model.model, member.lexicon.pieces
    settings = {rule: generation_setting(model, rule) for rule in _TOKEN_RULES}
    settings["bad_words_ids"] = [
        word
        for word in model.generation_config.bad_words_ids or ()
        if len(word) > 1 or not _is_special(pieces[word[0]])
    ]
    if model.config.model_type in MULTILINGUAL:
        settings["target language's token"] = "its model's own"
    if faults := [f"{rule} {value}" for rule, value in settings.items() if value]:
        raise ConfigError(
            f"{name}: expected a model that forces and forbids no tokens, to mix it with other vocabularies, "
            f"found {', '.join(faults)}: pool the finished texts instead (combine.method: pooled)"
        )
