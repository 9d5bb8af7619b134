"""Utterances -> n-best translations: texts are split into sentences, decoded in batches, and joined again.

Sentences of all utterances are sorted by length and decoded in batches by a :class:`TranslationBackend`. The
hypotheses of a text are the best combinations of its sentences' n-bests, by the sum of their
length-normalized scores; their scores and tokens add up. Where the times of a text are known, every
hypothesis has a segment per sentence: its translation, from the sentence's beginning to its end. A text
without words has the empty translation (one hypothesis, score 0): silence translates to silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import track
from components.decoding.continuing import CONTINUING
from components.decoding.isolation import isolate
from components.errors import ModelError, RecordError
from components.nodes.sessions import SESSIONS, Session
from components.records import Checkpoint, Hypothesis, NBest, Outcome, Quarantined, Segment, Utterance
from components.served_usage import add_counts
from components.translation.config import VERSION
from components.translation.context.domain import UNFAMILIAR_FEATURE, Domain, ScoredSentence
from components.translation.segments.prepared_text import (
    PreparedText,
    Sentence,
    TimedSentence,
    key_sentences,
    prepare_text,
    quarantine,
)
from components.translation.segments.sentences import combine_draws, find_best_combinations
from components.translation.sentence_translation import Candidates, SentenceTranslation, TranslationBackend


class Translator:
    """Translates texts, whatever their length, with a model of sentences.

    Args:
        backend: the model.
        checkpoint: where the model came from.
        n_best: hypotheses per text at most.
        batch_size: sentences decoded together.
        domain: what the model was made for, where that is known: marks the hypotheses of other texts.
        samples: whether the backend draws samples: ``n_best`` of each sentence, numbered by their ``draw``.

    Attributes:
        version: changes when outputs do.
    """

    version: int = VERSION

    def __init__(
        self,
        backend: TranslationBackend,
        checkpoint: Checkpoint,
        *,
        n_best: int,
        batch_size: int,
        domain: Domain | None = None,
        samples: bool = False,
    ) -> None:
        self.checkpoint, self._samples = checkpoint, samples
        self._backend, self._n_best, self._batch_size, self._domain = backend, n_best, batch_size, domain
        self._limit = BatchLimit(batch_size)

    def translate(
        self, utterances: Sequence[Utterance], segments: Sequence[Sequence[Segment]] = ()
    ) -> list[Outcome]:
        """Return one outcome per utterance, in order: its translations, or the fault that quarantines it.

        Args:
            utterances: ``text``, ``source_language`` and ``target_language`` are read.
            segments: of each utterance, the stretches of its text with their times; empty where none has any.
        """
        timed = segments or [()] * len(utterances)
        prepared = [self._prepare(*each) for each in zip(utterances, timed, strict=True)]
        candidates = iter(self._translate_texts([p for p in prepared if isinstance(p, PreparedText)]))
        return [
            result if isinstance(result, Quarantined) else self._join_sentences(result, next(candidates))
            for result in prepared
        ]

    def open_session(self) -> Session | None:
        """Return what translates texts that come and go, with the outcomes of :meth:`translate`.

        None where samples are drawn: they are ordered when all sentences are there.
        """
        if self._samples:
            return None
        session: Session = SESSIONS["sentences"](
            self._prepare, self._decode, self._join_sentences, self._batch_size
        )
        return session

    def go_on(self, utterance: Utterance, segments: Sequence[Segment], written: str, attends: bool) -> Any:
        """Translate a text whose translation is begun; see :data:`components.nodes.continuing.GoOn`."""
        return CONTINUING["translator"](
            self._backend,
            self._prepare(utterance, segments),
            written,
            attends=attends,
            translate=self._translate_texts,
            join=self._join_sentences,
        )

    def sentences_of(self, utterances: Sequence[Utterance]) -> list[Sentence]:
        """Return the sentences of the texts that can be translated, in order."""
        prepared = [self._prepare(utterance) for utterance in utterances]
        return [each.sentence for p in prepared if isinstance(p, PreparedText) for each in p.sentences]

    def score_sentences(self, utterances: Sequence[Utterance]) -> list[ScoredSentence]:
        """Return the sentences of the texts with the score of their best translations, where there is one."""
        sentences = self.sentences_of(utterances)
        decoded = self._decode(sentences)
        results = [(sentence, decoded[sentence]) for sentence in sentences]
        return [
            _score_sentence(sentence, candidates)
            for sentence, candidates in results
            if isinstance(candidates, list)
        ]

    def _prepare(self, utterance: Utterance, segments: Sequence[Segment] = ()) -> PreparedText | Quarantined:
        text = prepare_text(utterance, segments, self._backend.prepare, self._backend.max_source)
        return key_sentences(text) if self._samples and isinstance(text, PreparedText) else text

    def _translate_texts(self, texts: Sequence[PreparedText]) -> list[list[Candidates]]:
        """Return the translations of every sentence of every text."""
        decoded = self._decode([each.sentence for text in texts for each in text.sentences])
        return [[decoded[each.sentence] for each in text.sentences] for text in texts]

    def _decode(self, sentences: Sequence[Sentence]) -> dict[Sentence, Candidates]:
        """Translate every different sentence once, longest first, in batches of one target language.

        A sentence for which the model gives NaN has its error instead.

        Raises:
            ModelError: The model gives NaN for all of them.
        """

        def decode(batch: list[Sentence]) -> list[Candidates]:
            return self._limit.map(self._backend.decode, batch)

        decoded = {
            sentence: candidates
            for batch in track(list(self._make_batches(sentences)))
            for sentence, candidates in zip(batch, isolate(decode, batch), strict=True)
        }
        failed = [
            result
            for result in decoded.values()
            if isinstance(result, ModelError) and not isinstance(result, RecordError)
        ]
        if failed and len(failed) == len(decoded):
            raise failed[0]
        return decoded

    def _make_batches(self, sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
        alike: dict[tuple[str | None, tuple[int, int]], list[Sentence]] = {}
        for sentence in dict.fromkeys(sentences):
            lengths = (len(sentence.prefix), len(sentence.begun or ()))
            alike.setdefault((sentence.target, lengths), []).append(sentence)
        for group in alike.values():
            group.sort(key=lambda sentence: -len(sentence.tokens))
            for start in range(0, len(group), self._batch_size):
                yield group[start : start + self._batch_size]

    def _join_sentences(self, prepared: PreparedText, results: Sequence[Candidates]) -> Outcome:
        utterance, sentences = prepared.utterance, prepared.sentences
        nbests: list[list[SentenceTranslation]] = []
        for number, result in enumerate(results, 1):
            if isinstance(result, RecordError | ItemTooLargeError):
                detail = f"sentence {number} of {len(sentences)}: {result}"
                return quarantine(utterance, result.reason, detail)
            if isinstance(result, ModelError):
                detail = f"sentence {number} of {len(sentences)}: {result}; others give finite ones"
                return quarantine(utterance, "no finite scores", detail)
            nbests.append(result)
        ranks = [[candidate.rank for candidate in candidates] for candidates in nbests]
        choices = (
            combine_draws([[candidate.draw or 0 for candidate in each] for each in nbests], ranks)
            if self._samples
            else find_best_combinations(ranks, self._n_best)
        )
        parts = [[nbests[s][index] for s, index in enumerate(choice)] for choice in choices]
        scored = [_score_sentence(s.sentence, nbest) for s, nbest in zip(sentences, nbests, strict=True)]
        marks = self._domain_features(scored)
        return NBest(
            utterance_id=utterance.id,
            hypotheses=tuple(self._build_hypothesis(part, sentences, marks) for part in parts),
            language=utterance.source_language,
        )

    def _domain_features(self, sentences: Sequence[ScoredSentence]) -> dict[str, float]:
        if self._domain is None or not sentences:
            return {}
        return {UNFAMILIAR_FEATURE: sum(map(self._domain.is_unfamiliar, sentences)) / len(sentences)}

    def _build_hypothesis(
        self,
        parts: Sequence[SentenceTranslation],
        sentences: Sequence[TimedSentence],
        marks: Mapping[str, float],
    ) -> Hypothesis:
        tokens = tuple(token for part in parts for token in part.tokens)
        feature_names = parts[0].features if parts else {}
        return Hypothesis(
            text=" ".join(part.text for part in parts if part.text),
            score=sum(part.score for part in parts),
            n_tokens=len(tokens),
            system=self.checkpoint.reference,
            features={
                "rank": sum(part.rank for part in parts),
                "sentences": float(len(parts)),
                "cut": float(sum(not part.finished for part in parts)),
                **{name: sum(part.features[name] for part in parts) / len(parts) for name in feature_names},
                **marks,
                **add_counts(part.counts for part in parts),
            },
            tokens=tokens,
            segments=tuple(
                _build_segment(part, *sentence.times)
                for part, sentence in zip(parts, sentences, strict=True)
                if sentence.times is not None and part.text
            ),
        )


def _score_sentence(sentence: Sentence, candidates: Sequence[SentenceTranslation]) -> ScoredSentence:
    best = candidates[0]
    return sentence.tokens, best.score, len(best.tokens)


def _build_segment(translation: SentenceTranslation, start: float, end: float) -> Segment:
    confidence = translation.score / len(translation.tokens) if translation.tokens else None
    return Segment(start=start, end=end, text=translation.text, mean_log_prob=confidence)
