"""Scores of translations against their references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.metrics.languages import Language
from components.metrics.metric import align_segments
from components.metrics.statistics.corpus_statistics import score_segments
from components.metrics.table import METRICS, metrics_of
from components.records import Audio
from components.run_record import Score


def translation_scores(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    sources: Mapping[str, str] | None = None,
    audio: Mapping[str, Audio] | None = None,
) -> dict[str, Score]:
    """Compute every metric of translations by name, with 95% bootstrap intervals; {} of nothing to score.

    An empty reference is no reference: an utterance without any other is not scored, which ``n`` of
    ``n_total`` shows. Utterances may have different numbers of references.

    Args:
        references: utterance id -> reference translations.
        hypotheses: utterance id -> translation.
        language: the target's, of all or of each utterance, which is counted under the tokenizer of its own.
        n_total: utterances of the data set.
        sources: utterance id -> what was translated; metrics that need it are left out without.
        audio: utterance id -> speech; metrics that need it are left out without.

    Raises:
        DataError: the two cannot come from one data set of ``n_total`` utterances.
    """
    segments = align_segments(references, hypotheses, language, n_total, sources=sources, audio=audio)
    return score_segments(metrics_of("translation").values(), segments, n_total)


def sentence_scores(
    references: Mapping[str, Sequence[str]], hypotheses: Mapping[str, str], *, language: Language
) -> dict[str, dict[str, float]]:
    """Return ``chrf`` and ``bleu`` (effective order, so short sentences are not all 0) per utterance id.

    For looking at utterances: their mean is not the corpus score.
    """
    segments = align_segments(references, hypotheses, language, len(references.keys() | hypotheses.keys()))
    columns = {name: METRICS[name].sentence_scores(segments) for name in ("chrf", "bleu")}
    return {key: {name: column[key] for name, column in columns.items()} for key in columns["chrf"]}
