"""What the choice of a campaign's items is worth: systems ranked by few items and by all of them.

`python -m benchmarks.quality.item_selection COMPARISON --store STORE` prints a table
(docs/evaluation/judgements.md). Items are chosen by chrF, as `antiphon campaign` does; in the place of
people TER judges: nobody was asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations
from typing import get_args

import numpy as np

from benchmarks.common.tables import markdown_table
from components.campaign.candidates import Candidate
from components.campaign.selection import select_candidates
from components.campaign.settings import Selection
from components.metrics.metric import Segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics, measure
from components.metrics.table import METRICS
from components.storage.store import Store
from reports.views.campaign_candidates import load_candidates, load_systems

DRAWS = 300
"""Choices at random."""
JUDGE = "ter"


class Judge:
    """Scores every output, so that systems can be ranked on any items."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        utterances = [candidate.utterance for candidate in candidates]
        self.tables: list[CorpusStatistics] = []
        for system in candidates[0].outputs:
            segments = Segments(
                ids=tuple(utterance.id for utterance in utterances),
                hypotheses=tuple(candidate.outputs[system] for candidate in candidates),
                languages=tuple(utterance.target_language or "und" for utterance in utterances),
                references=tuple(utterance.references for utterance in utterances),
            )
            table = measure(METRICS[JUDGE], segments, len(utterances))
            assert table is not None
            self.tables.append(table)
        self.all_scores = np.array([table.score() for table in self.tables])

    def judge(self, items: Sequence[Candidate]) -> tuple[float, int, int]:
        """Kendall's tau-b with the ranking by all items, pairs of systems told apart, and rightly so."""
        parts = [table.subset(candidate.utterance.id for candidate in items) for table in self.tables]
        values = np.array([list(part.scores_by_id().values()) for part in parts])
        told_apart = right = 0
        for first, second in combinations(range(len(parts)), 2):
            differences = values[first] - values[second]
            error = differences.std(ddof=1) / np.sqrt(len(differences))
            if error > 0 and abs(differences.mean()) > 1.96 * error:
                told_apart += 1
                right += bool((differences.mean() < 0) == (self.all_scores[first] < self.all_scores[second]))
        return _tau(np.array([part.score() for part in parts]), self.all_scores), told_apart, right


def _tau(x: FloatArray, y: FloatArray) -> float:
    signs = [np.sign(np.subtract.outer(values, values)) for values in (x, y)]
    return float((signs[0] * signs[1]).sum() / np.sqrt(np.abs(signs[0]).sum() * np.abs(signs[1]).sum()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison")
    parser.add_argument("--store")
    parser.add_argument("--items", type=int, default=50)
    options = parser.parse_args()
    systems = load_systems([options.comparison], Store(options.store))
    candidates = load_candidates(systems, "translation", 0)
    judge = Judge(candidates)
    rows = [_row(f"all {len(candidates):,}", np.array([judge.judge(candidates)]))]
    for method in get_args(Selection):
        draws = DRAWS if method == "random" else 1
        results = [judge.judge(select_candidates(candidates, method, options.items, n)) for n in range(draws)]
        rows.append(_row(method, np.array(results)))
    n_pairs = len(systems) * (len(systems) - 1) // 2
    header = (f"{options.items} items by", "Kendall's tau", f"of {n_pairs} pairs told apart", "rightly")
    sys.stdout.write(markdown_table(header, rows) + "\n")


def _row(name: str, results: FloatArray) -> tuple[str, ...]:
    """The mean of every number, and of several draws the middle 90%."""
    means = [f"{results[:, 0].mean():.2f}", *(f"{mean:.1f}" for mean in results[:, 1:].mean(0))]
    if len(results) > 1:
        ends = np.percentile(results, (5, 95), axis=0).T
        means = [f"{mean} ({low:.2f} to {high:.2f})" for mean, (low, high) in zip(means, ends, strict=True)]
    return name, *means


if __name__ == "__main__":
    main()
