"""A translation backend whose members have different tokenizers.

Each member reads the source in its own pieces; their next-token distributions are mixed over a shared
vocabulary, made by :mod:`components.ensembling.token_level.vocabularies.vocabulary_mapping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.decoding.candidates import Candidate, tokens_of
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import generation_setting
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.ensembling.token_level.vocabularies.vocabulary_coverage import LOST_PREFIX
from components.ensembling.token_level.vocabularies.vocabulary_mapping import (
    Lexicon,
    MappedScorer,
    SharedVocabulary,
    intersect_vocabularies,
    unite_vocabularies,
)
from components.errors import ConfigError
from components.models.architectures import MULTILINGUAL
from components.translation.backends.causal.model import CausalBackend
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.segments.prepared_text import Sentence, SentenceTooLongError
from components.translation.sentence_translation import SentenceTranslation

VOCABULARY_SHARING: dict[str, Callable[[Sequence[Lexicon]], SharedVocabulary]] = {
    "intersection": intersect_vocabularies,
    "union": unite_vocabularies,
}
"""Name, as in ``combine.vocabulary`` -> the function that makes a shared vocabulary."""

_TOKEN_SETTINGS = (
    *("sequence_bias", "no_repeat_ngram_size", "min_length", "min_new_tokens"),
    *("forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens"),
)
"""Generation settings that name tokens, and so mean nothing in another vocabulary."""


MemberBackend = Seq2SeqBackend | CausalBackend


class VocabularyMember(NamedTuple):
    """A member with a vocabulary of its own: the backend that reads the source, its model, its lexicon."""

    backend: MemberBackend
    model: Seq2SeqModel | CausalModel
    lexicon: Lexicon


@dataclass(frozen=True)
class TokenizedPerMember(Sentence):
    """A source sentence as every member tokenizes it; ``tokens`` are the first member's."""

    versions: tuple[Sentence, ...] = ()

    @classmethod
    def by(
        cls, members: Iterable[tuple[MemberBackend, str]], text: str, source: str, target: str | None
    ) -> TokenizedPerMember:
        """Tokenize a text by the backend of each member, which has a name.

        Raises:
            SentenceTooLongError: it is longer than a member has positions for.
        """
        versions = []
        for backend, name in members:
            versions.append(backend.prepare(text, source, target))
            if (found := len(versions[-1].tokens)) > (most := backend.max_source):
                raise SentenceTooLongError(most, found, of=f" of {name}")
        return cls(versions[0].tokens, target, versions=tuple(versions))


class CrossVocabularyBackend:
    """A :class:`.TranslationBackend` of members of different vocabularies.

    Every hypothesis has, per member, the feature ``dropped:NAME``: the probability, averaged over the rows
    and steps of its search, that the member gave to pieces which the shared vocabulary lacks.

    Args:
        members: by name, in the order in which ``combiner`` counts them.
        search_config: settings of the search.
        combiner: mixes the members.
        sharing: a row of :data:`VOCABULARY_SHARING`.

    Raises:
        ConfigError: a model forces or forbids tokens beyond its ends and padding, which has no meaning in
            another vocabulary; or the members share too few pieces.
    """

    def __init__(
        self,
        members: Mapping[str, VocabularyMember],
        search_config: SearchConfig,
        combiner: Combiner,
        sharing: str,
    ) -> None:
        for name, member in members.items():
            _require_no_token_rules(name, member)
        names = list(members)
        self._active = combiner.active_members(len(names))
        self._names = [names[index] for index in self._active]
        self._vocabulary_members = list(members.values())
        self._tokenizers = [(member.backend, member.model.name) for member in self._vocabulary_members]
        self._search, self._combiner = search_config, combiner
        self._shared = VOCABULARY_SHARING[sharing]([member.lexicon for member in self._vocabulary_members])
        self.max_source = self._vocabulary_members[0].backend.max_source
        pieces, eos = self._shared.lexicon.pieces, self._shared.lexicon.vocabulary.eos
        self._logits_processors: list[LogitsProcessor] = [
            token_constraints.suppress(
                [i for i, piece in enumerate(pieces) if _is_special_piece(piece) and i not in eos]
            ),
            token_constraints.force_last(eos),
        ]

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Return the sentence as every member tokenizes it.

        Raises:
            SentenceTooLongError: it is longer than a member has positions for.
        """
        return TokenizedPerMember.by(self._tokenizers, text, source, target)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Return the translations of each sentence, best first."""
        scorers = [self._build_scorer(index, sentences) for index in range(len(self._vocabulary_members))]
        nbests = search(
            scorers,
            self._search,
            logits_processors=self._logits_processors,
            combiner=self._combiner,
            keys=[sentence.key for sentence in sentences],
        )
        lost = {
            LOST_PREFIX + name: scorer.lost.per_utterance
            for name, index in zip(self._names, self._active, strict=True)
            if isinstance(scorer := scorers[index], MappedScorer)
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
            sentence.versions[index] for sentence in sentences if isinstance(sentence, TokenizedPerMember)
        ]
        member = self._vocabulary_members[index]
        scorer, _ = member.backend.open_search(sentences_of_member)
        return self._shared.map_scorer(scorer, index, member.lexicon)

    def _to_translation(self, candidate: Candidate, lost: Mapping[str, float]) -> SentenceTranslation:
        lexicon = self._shared.lexicon
        pieces = [lexicon.pieces[token] for token in candidate.all_tokens]
        return SentenceTranslation(
            text=lexicon.text(candidate.tokens),
            score=candidate.score,
            rank=candidate.normalized_score,
            tokens=tokens_of(candidate, pieces, self._names),
            finished=candidate.finished,
            features=lost,
        )


def _is_special_piece(piece: str) -> bool:
    return piece.startswith("<") and piece.endswith(">") and len(piece) > 2


def _require_no_token_rules(name: str, member: VocabularyMember) -> None:
    model, pieces = member.model.model, member.lexicon.pieces
    settings = {setting: generation_setting(model, setting) for setting in _TOKEN_SETTINGS}
    settings["bad_words_ids"] = [
        word
        for word in model.generation_config.bad_words_ids or ()
        if len(word) > 1 or not _is_special_piece(pieces[word[0]])
    ]
    if model.config.model_type in MULTILINGUAL:
        settings["target language's token"] = "its model's own"
    if faults := [f"{setting} {value}" for setting, value in settings.items() if value]:
        raise ConfigError(
            f"{name}: expected a model that forces and forbids no tokens, to mix it with other vocabularies, "
            f"found {', '.join(faults)}: combine the finished texts instead (combine.method: output_level)"
        )
