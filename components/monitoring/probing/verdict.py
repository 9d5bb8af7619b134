"""Is more written than a language model could guess? A test of sums of independent guesses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.records import Record


class ProbeRow(Record):
    """One word that was taken from a recording.

    Attributes:
        kind: of the probe.
        probe: id of the changed recording.
        utterance: the recording it is of.
        word: that was there.
        written: whether the recognizer wrote it.
        guess: probability that a language model gives it in its place, among other words.
        text: what the recognizer wrote.
    """

    kind: str
    probe: str
    utterance: str
    word: str
    written: bool
    guess: float
    text: str


class KindVerdict(Record):
    """All probes of a kind: shares in percent, and the p-value that so much is written by guessing alone."""

    kind: str
    n: int
    recordings: int
    written: float
    guessed: float
    p: float


def judge(kind: str, rows: Sequence[ProbeRow]) -> KindVerdict:
    """Test the rows of one kind, at least one."""
    written = [row.written for row in rows]
    guesses = [row.guess for row in rows]
    return KindVerdict(
        kind=kind,
        n=len(rows),
        recordings=len({row.utterance for row in rows}),
        written=100 * float(np.mean(written)),
        guessed=100 * float(np.mean(guesses)),
        p=tail_probability(np.array(guesses), sum(written)),
    )


def tail_probability(chances: FloatArray, successes: int) -> float:
    """Return the probability of so many successes or more of independent trials (n,): Poisson's binomial.

    By convolution, O(n^2), which is exact (Hong 2013 lists faster ways).
    """
    masses = np.ones(1)
    for chance in chances:
        masses = np.convolve(masses, (1 - chance, chance))
    return float(min(1.0, masses[successes:].sum()))
