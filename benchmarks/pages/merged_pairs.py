"""The part of merging's frontier on pairs of models of other initializations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap

RESAMPLES = 2000
PROTOCOL = """\
Pairs of translators (3 layers, 256 wide) that were trained alike from different random weights, no model in
two pairs: cross-entropy of the references of {captions} captions of val, in nats a token, of the two, of the
mean of their weights, and of that mean after `git_rebasin` has put the second model's units into the first
one's order. The barrier is the loss above the two models' mean loss. Means over {pairs} pairs (and their
range), differences with 95% intervals over pairs and captions together ({resamples:,} resamples)."""


class Pairs:
    """Losses of pairs of models of other initializations.

    Attributes:
        names: Of the models of every pair.
        count: Of the pairs.
        captions: That each model was tried on.
    """

    def __init__(self, pairs: Sequence[Mapping[str, Any]]) -> None:
        self.names = tuple(pairs[0])
        self._sums = {name: np.array([pair[name] for pair in pairs], np.float64) for name in self.names}
        self.count, self.captions, _ = self._sums["first"].shape

    @classmethod
    def read(cls, measurements: Measurements) -> Pairs | None:
        """Those that were measured; None without any."""
        pairs = [measurements[name] for name in measurements.parts if name.startswith("initializations ")]
        return cls(pairs) if pairs else None

    @property
    def protocol(self) -> str:
        """What was measured and how."""
        sizes = {"pairs": self.count, "captions": self.captions, "resamples": RESAMPLES}
        return one_paragraph(PROTOCOL.format(**sizes))

    def result(self) -> str:
        """In one sentence."""
        plain, matched = (self.barrier(name).difference for name in ("mean", "mean of matched"))
        return (
            f"The mean of two translators of different initializations loses {plain:.2f} nats a token "
            f"against the two; after Git Re-Basin {matched:.2f} (means over {self.count} pairs)"
        )

    def table(self) -> str:
        """Losses and barriers."""
        rows = []
        for name in self.names:
            losses = [float(row) for row in self.losses(name)]
            cell = f"{np.mean(losses):.3f} ({min(losses):.2f} to {max(losses):.2f})"
            merged = name not in ("first", "second")
            rows.append([name, cell, _barrier_cell(self.barrier(name)) if merged else ""])
        rows.append(["what matching saves", "", _barrier_cell(self.compare("mean of matched", "mean"))])
        return markdown_table(("model", "nats a token", "barrier"), rows)

    def losses(self, name: str) -> FloatArray:
        """Nats a token of each pair (pairs,)."""
        return _nats_a_token(self._sums[name].sum(1))

    def barrier(self, name: str) -> TwoLevelEstimate:
        """The loss of a merged model above the mean of the two."""
        # All read the same tokens, so the mean of their sums has the mean of their losses.
        return self._test(self._sums[name], (self._sums["first"] + self._sums["second"]) / 2)

    def compare(self, name: str, baseline: str) -> TwoLevelEstimate:
        """The loss of a model above that of another one of the same pair."""
        return self._test(self._sums[name], self._sums[baseline])

    def _test(self, sums: FloatArray, baseline: FloatArray) -> TwoLevelEstimate:
        return two_level_bootstrap(ItemSums(_nats_a_token, sums, baseline), resamples=RESAMPLES)


def _nats_a_token(sums: FloatArray) -> FloatArray:
    return sums[..., 0] / sums[..., 1]


def _barrier_cell(test: TwoLevelEstimate) -> str:
    interval = format_interval(test.interval, " ({:+.2f} to {:+.2f})")
    return f"{test.difference:+.3f}{interval}, p {format_p_value(test.p)}"
