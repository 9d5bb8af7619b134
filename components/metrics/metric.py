"""The interface of a metric: counts of each utterance whose sum over a corpus gives the corpus score.

A metric is one file with one class and one entry of the group ``antiphon.metrics``. Because its
score is a function of sums, bootstrap, randomization, groups, tuning and attribution are written once for all
of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from components.errors import DataError
from components.metrics.error_rates.turns import Turns
from components.metrics.languages import Language, assign_languages, group_by_language
from components.metrics.pairing import align_by_id
from components.metrics.statistics.bootstrap import PROTOCOL, FloatArray, Interval, bootstrap_interval
from components.records import Audio
from components.text.table_cells import nfc

Output = Literal["transcript", "translation"]
"""Which text of a system a metric scores."""
Need = Literal["source", "reference", "audio", "speakers"]
"""What a metric reads beside the output."""


@dataclass(frozen=True)
class Segments:
    """Outputs beside what they are scored against, one entry of every field per utterance.

    ``references`` may be several or none; ``sources`` and ``audio`` are empty where nobody gave them.
    ``recordings`` are the same outputs as whole recordings, with ``turns`` (of the reference and of the
    output) where speakers are known.
    """

    ids: tuple[str, ...]
    hypotheses: tuple[str, ...]
    languages: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    sources: tuple[str, ...] = ()
    audio: tuple[Audio | None, ...] = ()
    turns: tuple[tuple[Turns, Turns], ...] = ()
    recordings: Segments | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def positions_by_language(self) -> dict[str, list[int]]:
        """Language -> positions of its utterances, languages in alphabetical order."""
        return group_by_language(self.languages)

    def subset(self, positions: Sequence[int]) -> Segments:
        """Return the utterances at ``positions``, in this order."""
        return Segments(
            ids=tuple(self.ids[position] for position in positions),
            hypotheses=tuple(self.hypotheses[position] for position in positions),
            languages=tuple(self.languages[position] for position in positions),
            references=tuple(self.references[position] for position in positions),
            sources=tuple(self.sources[position] for position in positions) if self.sources else (),
            audio=tuple(self.audio[position] for position in positions) if self.audio else (),
            turns=tuple(self.turns[position] for position in positions) if self.turns else (),
        )


Scope = frozenset[tuple[str, int]]
"""Languages and numbers of references that there are together in some utterance."""


def scope_of(segments: Segments) -> Scope:
    """Return the languages and numbers of references of segments."""
    return frozenset(
        (code, len(texts)) for code, texts in zip(segments.languages, segments.references, strict=True)
    )


def example_segments(scope: Scope) -> Segments:
    """Return an utterance without words of each language and number of references."""
    pairs = sorted(scope)
    return Segments(
        ids=tuple(str(number) for number in range(len(pairs))),
        hypotheses=("",) * len(pairs),
        languages=tuple(code for code, _ in pairs),
        references=tuple(("",) * count for _, count in pairs),
    )


def align_segments(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    language: Language,
    n_total: int,
    *,
    sources: Mapping[str, str] | None = None,
    audio: Mapping[str, Audio] | None = None,
) -> Segments:
    """Join outputs and what they are scored against by utterance id, in the order of ``references``.

    Args:
        references: id -> reference texts; an utterance without any has an empty sequence.
        hypotheses: id -> output; ids without one are left out.
        language: of the outputs, for all utterances or for each by its id.
        n_total: utterances of the data set.
        sources: id -> text that was translated, for metrics that read it.
        audio: id -> speech that was transcribed or translated, for metrics that hear it.

    Raises:
        DataError: ids of another data set, two that are equal after NFC, an utterance without language, or a
            text where a sequence of references belongs.
    """
    for key, texts in references.items():
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise DataError(
                f"expected the references of {key!r} as a sequence of texts, found {type(texts).__name__}; "
                "are references and hypotheses the wrong way round?"
            )
    pairs = align_by_id(references, hypotheses, n_total)
    return Segments(
        ids=pairs.ids,
        hypotheses=pairs.hypotheses,
        languages=assign_languages(pairs.ids, language),
        references=tuple(tuple(map(nfc, texts)) for texts in pairs.references),
        sources=() if sources is None else tuple(sources.get(key, "") for key in pairs.ids),
        audio=() if audio is None else tuple(audio.get(key) for key in pairs.ids),
    )


class CorpusScore(ABC):
    """A score of summed statistics, wherever these come from."""

    name: str
    """In settings, in ``metrics.json`` and in tables."""
    label: str
    """As the field writes it."""
    higher_is_better: bool
    ceiling: float
    """Score of a perfect output; no score is better."""
    worst: float = 100.0
    """Where less is better: the score at which outputs have nothing in common."""

    @abstractmethod
    def score(self, sums: FloatArray) -> FloatArray:
        """Return scores (...) of sums (..., k) of statistics."""

    def interval(self, rows: FloatArray, resampled_scores: FloatArray) -> Interval | None:
        """Return the 95% interval of the score of ``rows`` (n, k); None of too few.

        Args:
            rows: statistics.
            resampled_scores: scores of their bootstrap resamples.
        """
        return bootstrap_interval(resampled_scores, float(self.score(rows.sum(0))))


class Metric(CorpusScore):
    """A score of the outputs of a system."""

    output: Output
    needs: frozenset[Need]
    of_recordings: bool = False
    """It counts whole recordings, also where others count the segments of their references."""
    is_utility: bool = True
    """It scores one text against another: it may be a utility, or the objective of tuning."""
    needs_model: ClassVar[bool] = False
    """A model computes it, which a user names behind a colon; see :mod:`.model_metric`."""
    needs_terms: ClassVar[bool] = False
    """It counts the terms of a list; see :mod:`.terms`."""
    rank: int = 1000
    """Its place in lists of scores: the least comes first."""
    sentence_metric: str | None = None
    """Name of the metric that scores single utterances in its place; None where it does so itself."""

    @abstractmethod
    def statistics(self, segments: Segments) -> FloatArray:
        """Return counts (n, k) of every utterance; a row belongs to its utterance alone."""

    @abstractmethod
    def signature(self, segments: Segments) -> str:
        """Return the protocol in a line: how text becomes counts, with versions of the libraries that count.

        Of the segments it may depend on which languages and numbers of references there are, on nothing else:
        a corpus that is scored in parts is signed by :func:`scope_of`.
        """

    def select(self, segments: Segments) -> Segments:
        """Return the utterances that can be scored: those that have all that the metric needs."""
        return segments.subset([n for n in range(len(segments)) if self._has_needs(segments, n)])

    def sentence_scores(self, segments: Segments) -> dict[str, float]:
        """Return utterance id -> its own score, if it has one; their mean is not the corpus score."""
        selected = self.select(segments)
        if not selected.ids:
            return {}
        return dict(zip(selected.ids, self.score(self.statistics(selected)).tolist(), strict=True))

    def with_terms(self, terms: tuple[str, ...], output: Output, normalizer: str) -> Metric | None:
        """Return the metric of outputs with a list of terms; None where it counts none, or not in these."""
        return None

    def count_apart(self, segments: Segments) -> int:
        """Return how many utterances are left out of the score and counted in its protocol."""
        return 0

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Return the protocol of a reported score with its interval.

        Args:
            scope: an utterance of each language and number of references that was scored (:func:`scope_of`).
            sums: of the statistics (k,) of all that was scored.
            apart: what :meth:`count_apart` counted.
        """
        return f"{self.signature(scope)}|{PROTOCOL}"

    def _has_needs(self, segments: Segments, position: int) -> bool:
        present: dict[Need, bool] = {
            "reference": any(text.strip() for text in segments.references[position]),
            "source": bool(segments.sources and segments.sources[position].strip()),
            "audio": bool(segments.audio and segments.audio[position] is not None),
            "speakers": bool(segments.turns and all(segments.turns[position])),
        }
        return all(present[need] for need in self.needs)
