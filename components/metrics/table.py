"""All metrics: one row each, in the order in which scores are listed."""

from __future__ import annotations

from components.errors import ConfigError
from components.metrics.bleu import Bleu
from components.metrics.cer import CharacterErrorRate
from components.metrics.chrf import Chrf
from components.metrics.hallucinations import Hallucinations
from components.metrics.metric import Metric, Output
from components.metrics.ter import TranslationEditRate
from components.metrics.wer import WordErrorRate
from components.suggestions import did_you_mean

_ROWS: tuple[Metric, ...] = (
    WordErrorRate(),  # Levenshtein 1966, by jiwer
    CharacterErrorRate(),
    Hallucinations(),
    Bleu(),  # Papineni et al. 2002, https://aclanthology.org/P02-1040, by sacreBLEU
    Chrf(),  # Popović 2015, https://aclanthology.org/W15-3049
    TranslationEditRate(),  # Snover et al. 2006, https://aclanthology.org/2006.amta-papers.25
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
"""Name -> metric."""


def get_metric(name: str) -> Metric:
    """The row of a metric.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise ConfigError(f"metric: expected one of {', '.join(METRICS)}, found {name!r}{hint}")
    return METRICS[name]


def metrics_of(output: Output) -> dict[str, Metric]:
    """The metrics of transcripts or of translations."""
    return {name: metric for name, metric in METRICS.items() if metric.output == output}


def label_of(name: str) -> str:
    """A metric's name as the field writes it; a name that is no metric's as it is."""
    return METRICS[name].label if name in METRICS else name
