"""From utterances to n-best translations: sentences, batches, and the parts put together again.

Texts are split into sentences, sentences of all utterances are sorted by length and decoded in batches by an
:class:`Engine`, and the n-bests of an utterance's sentences are combined: the hypotheses of a text are its
best combinations by the sum of the sentences' length-normalised scores; their scores and tokens add up.
A text without words has the empty translation (one hypothesis, score 0): silence translates to silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from components.decoding.isolation import isolate
from components.errors import DataError, ModelError
from components.records import Checkpoint, Hypothesis, NBest, Outcome, Quarantined, Token, Utterance
from components.translation.config import VERSION
from components.translation.domain import FEATURE, Domain, Measured
from components.translation.sentences import best_combinations, split

STAGE = "translation"


@dataclass(frozen=True)
class Sentence:
    """A sentence ready to decode: its model input (token ids) and its target language."""

    tokens: tuple[int, ...]
    target: str | None


@dataclass(frozen=True)
class Translated:
    """One candidate translation of a sentence. ``rank`` orders candidates; ``tokens`` include eos.

    ``features`` become those of the hypothesis, averaged over its sentences.
    """

    text: str
    score: float
    rank: float
    tokens: tuple[Token, ...]
    finished: bool
    features: Mapping[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """A model that translates sentences."""

    max_source: int

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Tokenise one sentence. DataError if the model cannot translate it."""
        ...

    def decode(self, sentences: Sequence[Sentence]) -> list[list[Translated]]:
        """N-best translations of one batch, all of one target language, best first, none empty."""
        ...


class Translator:
    """Text -> text n-best. ``version`` changes when outputs do."""

    version: int = VERSION

    def __init__(
        self,
        engine: Engine,
        checkpoint: Checkpoint,
        *,
        n_best: int,
        batch_size: int,
        domain: Domain | None = None,
    ) -> None:
        """``domain``, where it is known, marks the hypotheses of texts that lie outside of it."""
        self.checkpoint = checkpoint
        self._engine, self._n_best, self._batch_size, self._domain = engine, n_best, batch_size, domain

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order: its translations, or why it could not be translated.

        Reads ``text``, ``source_language`` and ``target_language``.
        """
        prepared = [self._prepare(utterance) for utterance in utterances]
        items = [s for found in prepared if isinstance(found, list) for s in found]
        decoded = self._decode(items)
        return [
            found if isinstance(found, Quarantined) else self._join(utterance, found, decoded)
            for utterance, found in zip(utterances, prepared, strict=True)
        ]

    def sentences(self, utterances: Sequence[Utterance]) -> list[Sentence]:
        """The sentences of the texts that can be translated, in order."""
        prepared = map(self._prepare, utterances)
        return [sentence for found in prepared if isinstance(found, list) for sentence in found]

    def measure(self, utterances: Sequence[Utterance]) -> list[Measured]:
        """These sentences with the best translation of each, where there is one."""
        sentences = self.sentences(utterances)
        decoded = self._decode(sentences)
        results = [(sentence, decoded[sentence]) for sentence in sentences]
        return [_measured(sentence, found) for sentence, found in results if isinstance(found, list)]

    def _prepare(self, utterance: Utterance) -> list[Sentence] | Quarantined:
        if utterance.text is None:
            return _refused(
                utterance, "no text", "expected text to translate, found audio only: recognise it first"
            )
        sentences = []
        texts = split(utterance.text, utterance.source_language)
        for place, text in enumerate(texts, 1):
            try:
                sentence = self._engine.prepare(text, utterance.source_language, utterance.target_language)
            except DataError as error:
                return _refused(utterance, "unsupported input", str(error))
            limit, length = self._engine.max_source, len(sentence.tokens)
            if length > limit:
                where = f"in sentence {place} of {len(texts)}"
                detail = f"expected at most {limit} tokens per sentence, found {length} {where}: split it"
                return _refused(utterance, "input too long", detail)
            sentences.append(sentence)
        return sentences

    def _decode(self, sentences: Sequence[Sentence]) -> dict[Sentence, list[Translated] | ModelError]:
        """Every different sentence once, longest first, in batches of one target language.

        A sentence that gives NaN has its error instead; ModelError when all of them do: it is the model.
        """
        decoded = {
            sentence: translated
            for batch in self._batches(sentences)
            for sentence, translated in zip(batch, isolate(self._engine.decode, batch), strict=True)
        }
        failed = [result for result in decoded.values() if isinstance(result, ModelError)]
        if failed and len(failed) == len(decoded):
            raise failed[0]
        return decoded

    def _batches(self, sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
        by_target: dict[str | None, list[Sentence]] = {}
        for sentence in dict.fromkeys(sentences):
            by_target.setdefault(sentence.target, []).append(sentence)
        for group in by_target.values():
            group.sort(key=lambda sentence: -len(sentence.tokens))
            for start in range(0, len(group), self._batch_size):
                yield group[start : start + self._batch_size]

    def _join(
        self,
        utterance: Utterance,
        sentences: Sequence[Sentence],
        decoded: dict[Sentence, list[Translated] | ModelError],
    ) -> Outcome:
        found: list[list[Translated]] = []
        for place, sentence in enumerate(sentences, 1):
            result = decoded[sentence]
            if isinstance(result, ModelError):
                detail = f"sentence {place} of {len(sentences)}: {result}; others give finite ones"
                return _refused(utterance, "no finite scores", detail)
            found.append(result)
        ranks = [[candidate.rank for candidate in candidates] for candidates in found]
        choices = best_combinations(ranks, self._n_best)
        parts = [[found[s][index] for s, index in enumerate(choice)] for choice in choices]
        marks = self._marks(list(map(_measured, sentences, found)))
        return NBest(
            utterance_id=utterance.id,
            hypotheses=tuple(self._hypothesis(part, marks) for part in parts),
            language=utterance.source_language,
        )

    def _marks(self, sentences: Sequence[Measured]) -> dict[str, float]:
        if self._domain is None or not sentences:
            return {}
        return {FEATURE: sum(map(self._domain.is_unfamiliar, sentences)) / len(sentences)}

    def _hypothesis(self, parts: Sequence[Translated], marks: Mapping[str, float]) -> Hypothesis:
        tokens = tuple(token for part in parts for token in part.tokens)
        told = parts[0].features if parts else {}
        return Hypothesis(
            text=" ".join(part.text for part in parts if part.text),
            score=sum(part.score for part in parts),
            n_tokens=len(tokens),
            system=self.checkpoint.reference,
            features={
                "rank": sum(part.rank for part in parts),
                "sentences": float(len(parts)),
                "cut": float(sum(not part.finished for part in parts)),
                **{name: sum(part.features[name] for part in parts) / len(parts) for name in told},
                **marks,
            },
            tokens=tokens,
        )


def _measured(sentence: Sentence, candidates: Sequence[Translated]) -> Measured:
    best = candidates[0]
    return sentence.tokens, best.score, len(best.tokens)


def _refused(utterance: Utterance, reason: str, detail: str) -> Quarantined:
    return Quarantined(utterance_id=utterance.id, stage=STAGE, reason=reason, detail=detail)
