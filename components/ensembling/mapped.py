"""A translator whose members have tokenizers of their own: each reads the source in its own pieces, and what
they say next is mixed over a shared vocabulary (:mod:`components.ensembling.vocabularies`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.decoding import rules
from components.decoding.candidates import Candidate, told
from components.decoding.combine import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation import setting
from components.decoding.members import Member
from components.decoding.rules import Rule
from components.decoding.search import search
from components.decoding.seq2seq import Seq2SeqModel
from components.ensembling.vocabularies import Lexicon, MappedMember, Shared, intersection, union
from components.ensembling.vocabulary_notes import DROPPED
from components.errors import ConfigError, DataError
from components.models.architectures import MULTILINGUAL
from components.records import Token
from components.translation.seq2seq import Seq2SeqEngine
from components.translation.translator import Sentence, Translated

SHARED: dict[str, Callable[[Sequence[Lexicon]], Shared]] = {"intersection": intersection, "union": union}
"""Ways to share a vocabulary."""


_RULES = (
    *("sequence_bias", "no_repeat_ngram_size", "min_length", "min_new_tokens"),
    *("forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens"),
)


class Reader(NamedTuple):
    """A member: what prepares its source, its model, its pieces."""

    engine: Seq2SeqEngine
    ready: Seq2SeqModel
    lexicon: Lexicon


@dataclass(frozen=True)
class _Versions(Sentence):
    """A sentence as every member reads it; ``tokens`` are the first one's."""

    versions: tuple[Sentence, ...] = ()


class MappedEngine:
    """An :class:`~components.translation.translator.Engine` over engines by name, in the combiner's order.

    Every hypothesis has, per member, the feature ``dropped:NAME``: the probability, averaged over the rows
    and steps of its search, that the member gave to pieces which the shared vocabulary lacks. ConfigError for
    models that force or forbid tokens beyond their ends and padding, which has no meaning for the others.
    """

    def __init__(
        self, readers: Mapping[str, Reader], search_config: SearchConfig, combine: Combiner, how: str
    ) -> None:
        for name, reader in readers.items():
            _require_plain(name, reader)
        names = list(readers)
        self._active = combine.active(len(names))
        self._names = [names[place] for place in self._active]
        self._readers, self._search, self._combine = list(readers.values()), search_config, combine
        self._shared = SHARED[how]([reader.lexicon for reader in self._readers])
        self.max_source = self._readers[0].engine.max_source
        pieces, eos = self._shared.lexicon.pieces, self._shared.lexicon.vocabulary.eos
        self._rules: list[Rule] = [
            rules.suppress([i for i, piece in enumerate(pieces) if _special(piece) and i not in eos]),
            rules.force_last(eos),
        ]

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """See :class:`Engine`."""
        versions = tuple(reader.engine.prepare(text, source, target) for reader in self._readers)
        for reader, version in zip(self._readers, versions, strict=True):
            if len(version.tokens) > (most := reader.engine.max_source):
                raise DataError(
                    f"expected at most {most} tokens of {reader.ready.name} per sentence, "
                    f"found {len(version.tokens)}: split it"
                )
        return _Versions(versions[0].tokens, target, versions)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[Translated]]:
        """See :class:`Engine`."""
        members = [self._member(place, sentences) for place in range(len(self._readers))]
        found = search(members, self._search, rules=self._rules, combine=self._combine)
        lost = {
            DROPPED + name: member.dropped.each
            for name, place in zip(self._names, self._active, strict=True)
            if isinstance(member := members[place], MappedMember)
        }
        return [
            [
                self._text(candidate, {name: each[row] for name, each in lost.items()})
                for candidate in candidates
            ]
            for row, candidates in enumerate(found)
        ]

    def _member(self, place: int, sentences: Sequence[Sentence]) -> Member:
        own = [sentence.versions[place] for sentence in sentences if isinstance(sentence, _Versions)]
        reader = self._readers[place]
        return self._shared.member(reader.engine.members(own)[0], place, reader.lexicon)

    def _text(self, candidate: Candidate, lost: Mapping[str, float]) -> Translated:
        lexicon = self._shared.lexicon
        ids = [*candidate.tokens, *(() if candidate.ending is None else (candidate.ending,))]
        return Translated(
            text=lexicon.text(candidate.tokens),
            score=candidate.score,
            rank=candidate.rank,
            tokens=tuple(
                Token(
                    piece=lexicon.pieces[token],
                    log_prob=value,
                    members=told(self._names, candidate.members, place),
                    weights=told(self._names, candidate.weights, place),
                )
                for place, (token, value) in enumerate(zip(ids, candidate.log_probs, strict=True))
            ),
            finished=candidate.finished,
            features=lost,
        )


def _special(piece: str) -> bool:
    return piece.startswith("<") and piece.endswith(">") and len(piece) > 2


def _require_plain(name: str, reader: Reader) -> None:
    model, pieces = reader.ready.model, reader.lexicon.pieces
    asked = {rule: setting(model, rule) for rule in _RULES}
    asked["bad_words_ids"] = [
        word
        for word in model.generation_config.bad_words_ids or ()
        if len(word) > 1 or not _special(pieces[word[0]])
    ]
    if model.config.model_type in MULTILINGUAL:
        asked["target language's token"] = "its model's own"
    if found := [f"{rule} {value}" for rule, value in asked.items() if value]:
        raise ConfigError(
            f"{name}: expected a model that forces and forbids no tokens, to mix it with other vocabularies, "
            f"found {', '.join(found)}: pool the finished texts instead (combine.method: pooled)"
        )
