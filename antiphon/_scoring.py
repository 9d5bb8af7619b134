"""Scores of outputs against references, without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.run_record import Score


def score_transcripts(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: str | Mapping[str, str],
    normalizer: str = "by-language",
) -> dict[str, Score]:
    """Return the error rates of transcripts, with 95% bootstrap intervals.

    Args:
        references: utterance id -> what was said.
        hypotheses: utterance id -> transcript; an utterance without one is not scored, see ``Score.n``.
        language: of all utterances, or of each by its id.
        normalizer: that both pass before words are compared, such as ``open-asr``.

    Returns:
        Metric (``wer``, ``cer``, ...) -> score in percent.

    Raises:
        DataError: hypotheses of utterances that have no reference.
        ConfigError: no such normalizer, or its libraries are missing.
    """
    from components.metrics.error_rates.recognition import recognition_scores
    from components.metrics.normalizers import check_normalizer

    return recognition_scores(
        references,
        hypotheses,
        language=language,
        n_total=len(references),
        normalizer=check_normalizer(normalizer),
    )


def score_translations(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: str | Mapping[str, str],
    sources: Mapping[str, str] | None = None,
) -> dict[str, Score]:
    """Return scores of translations, with 95% bootstrap intervals.

    Args:
        references: utterance id -> reference translations.
        hypotheses: utterance id -> translation; an utterance without one is not scored, see ``Score.n``.
        language: target language of all utterances, or of each by its id.
        sources: utterance id -> text that was translated, for metrics that read it.

    Returns:
        Metric (``bleu``, ``chrf``, ``ter``, ...) -> score.

    Raises:
        DataError: hypotheses of utterances that have no reference.
    """
    from components.metrics.translation_quality.translation import translation_scores

    return translation_scores(
        references, hypotheses, language=language, n_total=len(references), sources=sources
    )
