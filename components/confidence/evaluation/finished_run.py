"""The confidences of any finished run, measured when they are asked for: raw signals, too."""

from __future__ import annotations

from components.analysis.run_outputs import text_stages
from components.confidence.evaluation.quality import SignalQuality, measure_quality
from components.confidence.evaluation.scored_texts import read_node_texts
from components.errors import ConfigError, DataError
from components.metrics.normalizers import BY_LANGUAGE
from components.run_record import RunRecord
from components.storage.store import Store
from components.text.suggestions import did_you_mean


def measure_run(run: RunRecord, store: Store, node: str | None = None) -> list[SignalQuality]:
    """Measure every signal of the texts of a run, or of one of its nodes.

    Raises:
        ConfigError: the run compares others, or has no such node of texts.
        DataError: there is nothing to measure: no references, or no signal.
    """
    if run.systems:
        raise ConfigError(
            f"run {run.name} compares others; expected one of {', '.join(run.systems.values())}"
        )
    names = [ref.stage for ref in text_stages(run)]
    if node is not None and node not in names:
        listing = ", ".join(names) or "none"
        raise ConfigError(
            f"--node: expected a node with texts, one of {listing}; found {node!r}{did_you_mean(node, names)}"
        )
    normalizer = str(run.parameters.get("normalizer", BY_LANGUAGE))
    texts = list(read_node_texts(run, store.backend.url, None if node is None else [node]))
    if not texts:
        raise DataError(
            f"run {run.name}: expected texts with references (transcripts or translations in the data), "
            "found none; confidences are measured against references"
        )
    signals = [
        row
        for each in texts
        for row in measure_quality(
            each.node, each.texts, each.output, normalizer, each.further, each.bad_below
        )
    ]
    if not signals:
        raise DataError(
            f"run {run.name}: expected texts with log-probabilities or estimates, found none; "
            "docs/evaluation/confidence.md says which systems give them"
        )
    return signals
