"""A translation backend whose members have different tokenizers and agree on the text that they write.

Each member reads the source and writes the translation in its own pieces; how they are kept in step is in
``text_search``. Members of one vocabulary are mixed token by token, as one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.mixing.same_constraints import require_same_constraints
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.text_synchronous.ragged_group import GroupSettings, RaggedGroup
from components.decoding.text_synchronous.text_agreement import AgreedPieces
from components.decoding.text_synchronous.text_pieces import END, TextPieces, list_texts, read_text
from components.decoding.text_synchronous.text_search import TextHypothesis, close_segment, text_search
from components.ensembling.token_level.combiners import LogLinearInterpolation
from components.ensembling.token_level.vocabularies.cross_vocabulary import MemberBackend, TokenizedPerMember
from components.records import Token
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation


@dataclass(frozen=True)
class TextMember:
    """A member: the backend that reads the source, its model and tokenizer, and its coefficient, above 0."""

    backend: MemberBackend
    model: Seq2SeqModel | CausalModel
    tokenizer: Any
    coefficient: float


@dataclass(frozen=True)
class _Group:
    """Members of one vocabulary: names, how their scorers are built, and the rest of the group."""

    names: tuple[str, ...]
    indices: tuple[int, ...]
    weight: float
    combiner: LogLinearInterpolation


class TextSynchronousBackend:
    """A :class:`.TranslationBackend` of members that agree on text.

    The tokens of a translation are its segments: what is written between two places where all members agree.
    Each has its weighted log-probability, and every group's.

    Args:
        members: by name, in order.
        search_config: a search; not sampling.

    Raises:
        ConfigError: a tokenizer is of an unknown kind, or members of one vocabulary force different tokens.
    """

    def __init__(self, members: Mapping[str, TextMember], search_config: SearchConfig) -> None:
        self._members, self._search = list(members.values()), search_config
        self._tokenizers = [(member.backend, member.model.name) for member in self._members]
        self.max_source = self._members[0].backend.max_source
        by_vocabulary: dict[Vocabulary, list[int]] = {}
        for index, member in enumerate(self._members):
            by_vocabulary.setdefault(member.backend.vocabulary, []).append(index)
        names = list(members)
        self._groups = [self._make_group(names, indices) for indices in by_vocabulary.values()]
        self._pieces = AgreedPieces(
            [
                self._read_pieces(number, names[indices[0]], indices[0])
                for number, indices in enumerate(by_vocabulary.values())
            ]
        )

    def _read_pieces(self, number: int, name: str, index: int) -> TextPieces:
        member = self._members[index]
        texts = list_texts(member.tokenizer, member.backend.vocabulary, name, number)
        return TextPieces(texts, member.backend.silent_tokens)

    def _make_group(self, names: Sequence[str], indices: Sequence[int]) -> _Group:
        members = [self._members[index] for index in indices]
        pairs = [(names[i], self._members[i].model.model) for i in indices]
        require_same_constraints(pairs)
        weight = sum(member.coefficient for member in members)
        return _Group(
            names=tuple(names[index] for index in indices),
            indices=tuple(indices),
            weight=weight,
            combiner=LogLinearInterpolation([member.coefficient / weight for member in members]),
        )

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Return the sentence as every member tokenizes it.

        Raises:
            SentenceTooLongError: it is longer than a member has positions for.
        """
        return TokenizedPerMember.by(self._tokenizers, text, source, target)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Return the translations of each sentence, best first."""
        groups = [self._open(group, sentences) for group in self._groups]
        return [
            [self._to_translation(hypothesis) for hypothesis in hypotheses]
            for hypotheses in text_search(groups, self._pieces, self._search)
        ]

    def _open(self, group: _Group, sentences: Sequence[Sentence]) -> RaggedGroup:
        scorers, processors = list[TokenScorer](), list[LogitsProcessor]()
        for index in group.indices:
            own = [s.versions[index] for s in sentences if isinstance(s, TokenizedPerMember)]
            scorer, member_processors = self._members[index].backend.open_search(own)
            scorers.append(scorer)
            processors = processors or member_processors
        settings = GroupSettings(group.weight, group.combiner, processors)
        return RaggedGroup(scorers, settings, self._search.max_new_tokens)

    def _to_translation(self, hypothesis: TextHypothesis) -> SentenceTranslation:
        weights = [group.weight for group in self._groups]
        whole = hypothesis if hypothesis.agreed else close_segment(hypothesis, weights)
        names = [" + ".join(group.names) for group in self._groups]
        shares = dict(zip(names, weights, strict=True))
        return SentenceTranslation(
            text=" ".join(read_text(whole.text).split()),
            score=whole.score,
            rank=whole.rank(weights, self._search.length_penalty),
            tokens=tuple(
                Token(
                    piece=_show(segment.text),
                    log_prob=segment.log_prob,
                    members=dict(zip(names, segment.group_log_probs, strict=True)),
                    weights=shares,
                )
                for segment in whole.segments
            ),
            finished=whole.finished,
        )


def _show(symbols: str) -> str:
    text = read_text(symbols).replace(" ", "▁")
    return text + "<eos>" if symbols.endswith(END) else text
