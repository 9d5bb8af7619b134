"""Error rates of transcripts against what was said."""

from __future__ import annotations

from collections.abc import Mapping

from components.metrics.error_rates.error_rate import ErrorCounts
from components.metrics.error_rates.wer import WordErrorRate
from components.metrics.languages import Language
from components.metrics.metric import align_segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.corpus_statistics import score_segments
from components.metrics.table import metrics_of
from components.records import Audio
from components.run_record import Score


def recognition_scores(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    audio: Mapping[str, Audio] | None = None,
    normalizer: str = BY_LANGUAGE,
) -> dict[str, Score]:
    """Compute every metric of transcripts by name, with 95% bootstrap intervals; {} of nothing to score.

    ``n`` counts the utterances that were scored: those with a hypothesis and a reference that is not empty
    after normalization. ``wer`` leaves out languages written without spaces. ``hallucinations`` (the share of
    utterances with an empty reference that got words) appears only where there are such references.

    Args:
        references: utterance id -> what was said.
        hypotheses: utterance id -> transcript.
        language: of all or of each utterance, which passes the normalizer of its own.
        n_total: utterances of the data set.
        audio: utterance id -> speech; metrics that need it are left out without.
        normalizer: a protocol by language, or one for all.

    Raises:
        DataError: the two cannot come from one data set of ``n_total`` utterances.
    """
    listed = {key: (text,) for key, text in references.items()}
    segments = align_segments(listed, hypotheses, language, n_total, audio=audio)
    return score_segments(metrics_of("transcript", normalizer).values(), segments, n_total)


def utterance_errors(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    normalizer: str = BY_LANGUAGE,
) -> dict[str, ErrorCounts]:
    """Return counts per utterance id, of words (of characters in languages written without spaces).

    They add up to the corpus score, with the utterances of empty reference (``length`` 0) apart.
    """
    listed = {key: (text,) for key, text in references.items()}
    n_total = len(references.keys() | hypotheses.keys())
    segments = align_segments(listed, hypotheses, language, n_total)
    counts = WordErrorRate(normalizer).count_errors(segments)
    return dict(zip(segments.ids, counts, strict=True))
