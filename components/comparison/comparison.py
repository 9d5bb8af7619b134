"""Several systems on one data set: one table of quality with paired tests, cost, groups and examples.

Everything is joined by utterance id. Utterances that a system quarantined are either left out for all systems
or count as empty outputs; both are stated with their number, and nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.analysis.buckets import group_utterances
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.external.external_scores import Judgements
from components.comparison.external.metric_correlation import Correlation, correlate
from components.comparison.leaderboard import (
    Bucket,
    Contrast,
    SystemRow,
    build_leaderboard,
    find_contrasts,
    score_buckets,
)
from components.comparison.ranking import (
    choose_ranking,
    score_items,
    score_sentences,
)
from components.comparison.stated_comparisons import compare_pairs
from components.comparison.strengths.degradation import Degradation, measure_degradation
from components.comparison.tabulation import System, tabulate
from components.metrics.languages import Language
from components.metrics.metric import Metric
from components.metrics.scores_file import ExternalScores
from components.metrics.statistics.significance import Difference
from components.metrics.table import get_metric
from components.records import Record, Utterance


class Comparison(Record):
    """The whole comparison; ``ranking`` names the metric that groups, examples and the Pareto set use.

    Of external scores there are ``judgements`` and their ``correlations`` with metrics; ``degradations`` are
    those of systems that differ in the strength of a perturbation.
    """

    baseline: str
    ranking: str | None
    rows: tuple[SystemRow, ...]
    differences: tuple[Difference, ...]
    buckets: tuple[Bucket, ...]
    contrasts: tuple[Contrast, ...]
    n: int
    n_total: int
    notes: tuple[str, ...] = ()
    judgements: tuple[Judgements, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    degradations: tuple[Degradation, ...] = ()

    @property
    def ranked_differences(self) -> list[Difference]:
        """The differences to the baseline in the metric that ranks."""
        return [
            difference
            for difference in self.differences
            if (difference.metric, difference.baseline) == (self.ranking, self.baseline)
        ]


def compare(
    utterances: Sequence[Utterance],
    systems: Sequence[System],
    settings: ComparisonSettings,
    *,
    language: Language,
    source_language: Language,
    bind: Callable[[str], Metric] = get_metric,
    scores: Sequence[ExternalScores] = (),
) -> tuple[Comparison, dict[str, dict[str, float]]]:
    """Compare systems; also gives utterance id -> system -> score of that utterance alone.

    Long recordings with reference segments are compared segment by segment (``talk#3``), each of which counts
    as an utterance. Single utterances are compared by the sentence metric of the metric that ranks: chrF for
    BLEU, WER for CER.

    Args:
        utterances: of the data set.
        systems: with the outputs that they have; the first is the baseline if ``settings`` name none.
        settings: which metrics, the one that ranks first; which test; what counts as missing.
        language: of translations, for all utterances or each: decides on tokenizers.
        source_language: of transcripts: decides on normalizers.
        bind: gives a metric by its name in the settings, those that models compute with their models.
        scores: external scores, which join the metrics.

    Raises:
        DataError: a system or an utterance twice, no such baseline, outputs of other utterances.
        ConfigError: external scores of other systems or items, or nothing to rank by as is wanted.
    """
    baseline, tables, metrics, segments, units, judgements, notes = tabulate(
        utterances,
        systems,
        settings,
        language=language,
        source_language=source_language,
        bind=bind,
        scores=scores,
    )
    ranking = choose_ranking(settings, tables[baseline])
    ranked = score_items(ranking, metrics, tables, segments, units, len(utterances), settings.normalizer)
    values = {
        u.id: {name: of[u.id] for name, of in ranked.scores.items() if u.id in of} for u in ranked.units
    }
    error_rates = score_sentences(segments[baseline], get_metric("wer", settings.normalizer))
    comparison = Comparison(
        baseline=baseline,
        ranking=ranking,
        rows=build_leaderboard(
            tables,
            {system.name: system.cost for system in systems},
            _count_missing(utterances, systems),
            ranking,
        ),
        differences=compare_pairs(tables, baseline, ranking, settings),
        buckets=score_buckets(tables, group_utterances(ranked.units, error_rates), baseline, ranking),
        contrasts=find_contrasts(
            values, baseline, settings.examples, higher_is_better=ranked.higher_is_better
        ),
        n=len(tables[baseline][ranking].ids) if ranking else 0,
        n_total=ranked.n_total,
        notes=tuple(notes),
        judgements=judgements,
        correlations=tuple(correlate(scores, metrics, tables, segments)),
        degradations=measure_degradation(
            {system.name: system.conditions for system in systems if system.conditions is not None},
            tables,
            baseline,
            ranking,
            settings.test,
        ),
    )
    return comparison, values


def _count_missing(utterances: Sequence[Utterance], systems: Sequence[System]) -> dict[str, int]:
    """System -> number of utterances without any output."""
    ids = {utterance.id for utterance in utterances}
    return {system.name: len(ids - (system.translations or system.transcripts).keys()) for system in systems}
