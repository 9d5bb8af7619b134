"""Slopes against numpy's least squares, on the data and on every resample."""

from __future__ import annotations

import random

import numpy as np
import pytest

from components.comparison.strengths.degradation import measure_degradation
from components.comparison.strengths.strength_curves import Conditions, read_conditions
from components.metrics.statistics.bootstrap import draw_counts
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from tests.components.metrics.corpora import FunctionScore

SNR = [None, 20.0, 10.0, 0.0]
MEAN = FunctionScore(lambda sums: sums[..., 0] / sums[..., 1], higher_is_better=True)


def table(offset: float, seed: int, n: int = 30) -> CorpusStatistics:
    draw = random.Random(seed)
    rows = np.array([[offset + draw.random(), 1.0] for _ in range(n)])
    return CorpusStatistics(MEAN, tuple(f"u{k}" for k in range(n)), rows, n, "mean")


def conditions(model: str, snr: float | None, **more: object) -> Conditions:
    return read_conditions(
        {"noisy": ("perturb", {"snr_db": snr, **more}), "asr": ("recognize", {"model": f"packaged:{model}"})}
    )


def systems(n: int = 30) -> tuple[dict[str, Conditions], dict[str, dict[str, CorpusStatistics]]]:
    states = {f"{m}-{snr}": conditions(m, snr) for m in ("base", "tiny") for snr in SNR}
    loss = {"base": 0.1, "tiny": 0.5}
    tables = {
        f"{m}-{snr}": {"m": table(10 - loss[m] * (30 - (30 if snr is None else snr)), k, n)}
        for k, m in enumerate(loss)
        for snr in SNR
    }
    return states, tables


def test_slopes_their_intervals_and_their_test() -> None:
    states, tables = systems()
    (one,) = measure_degradation(states, tables, "base-None", "m")
    assert (one.axis, one.metric, [curve.label for curve in one.curves]) == (
        "noisy.snr_db",
        "m",
        ["base", "tiny"],
    )
    slopes = []
    for curve in one.curves:
        assert [point.strength for point in curve.points] == SNR  # worse and worse
        rows = [tables[f"{curve.label}-{snr}"]["m"].rows[:, 0] for snr in SNR[1:]]
        per_10_db = lambda means: -10 * np.polyfit([20.0, 10.0, 0.0], means, 1)[0]  # noqa: E731
        counts = np.concatenate(list(draw_counts(30)))
        drawn = per_10_db(np.stack([counts @ row / 30 for row in rows]))
        assert curve.slope.value == pytest.approx(per_10_db([row.mean() for row in rows]))
        assert curve.slope.interval == pytest.approx(np.percentile(drawn, (2.5, 97.5)))
        slopes.append((curve.slope.value, drawn))
    (difference,) = one.differences
    (base, base_drawn), (tiny, tiny_drawn) = slopes
    assert difference.difference.value == pytest.approx(tiny - base)
    assert difference.difference.interval == pytest.approx(
        np.percentile(tiny_drawn - base_drawn, (2.5, 97.5))
    )
    assert (difference.label, difference.baseline, difference.verdict) == ("tiny", "base", "less robust")


def test_slopes_of_few_utterances_are_tested_by_exchanged_curves() -> None:
    states, tables = systems()
    (one,) = measure_degradation(states, tables, "base-None", "m")
    assert (one.test, "|paired-ar:10000|" in one.signature) == ("randomization", True)
    # The mean is linear: exchanging curves changes the sign of an utterance's difference.
    slopes = {
        m: sum(w * tables[f"{m}-{x}"]["m"].rows[:, 0] for w, x in ((-0.5, 20.0), (0.5, 0.0)))
        for m in ("base", "tiny")
    }
    differences = slopes["tiny"] - slopes["base"]
    signs = np.random.default_rng(1).choice([-1, 1], (10_000, 30))
    expected = (np.abs(signs @ differences) >= abs(differences.sum())).mean()
    assert one.differences[0].p == pytest.approx(expected, abs=0.01)
    (many,) = measure_degradation(*systems(n=50), "tiny-None", "m")
    assert (many.test, "|paired-bs:10000|" in many.signature) == ("bootstrap", True)
    assert many.differences[0].verdict == "more robust"
    del states["tiny-20.0"]
    tables["tiny-5.0"], states["tiny-5.0"] = tables["tiny-10.0"], conditions("tiny", 5.0)
    (unlike,) = measure_degradation(states, tables, "base-None", "m")
    assert unlike.test == "bootstrap"  # no output of one curve is at the strength of another's


def test_equal_slopes_are_not_told_apart_and_few_utterances_tell_nothing() -> None:
    states, tables = systems()
    (same,) = measure_degradation(
        states, tables | {f"tiny-{x}": tables[f"base-{x}"] for x in SNR}, "tiny-20.0", "m"
    )
    assert (same.differences[0].p, same.differences[0].verdict) == (1.0, "no significant difference")
    assert same.differences[0].baseline == "tiny"
    states, tables = systems(n=5)
    (few,) = measure_degradation(states, tables, "base-None", "m")
    assert few.curves[0].slope.interval is None
    assert few.differences[0].verdict == "too few"


def test_in_another_score_than_that_which_ranks_nothing_is_tested() -> None:
    (one,) = measure_degradation(*systems(), "base-None", "bleu")
    assert (one.differences[0].verdict, one.differences[0].p_holm) == ("not tested", None)
    assert one.differences[0].difference.interval is not None


def test_only_systems_that_differ_in_strength_alone_are_a_curve() -> None:
    tables = {name: {"m": table(n, n)} for n, name in enumerate("abcdef")}
    states = {
        "a": conditions("base", 10),
        "b": conditions("base", 0, noise="white"),  # another noise
        "c": conditions("tiny", None),
        "d": conditions("tiny", 5),  # one number only
        "e": read_conditions({"mt": ("translate", {"beam_size": 5})}),
    }
    assert measure_degradation(states, tables, "a", "m") == ()
    crossed = {
        n: conditions("base", x, speed=s) for n, x, s in zip("abcd", (9, 0, 9, 0), (1, 1, 2, 2), strict=True)
    }
    by_axis = {
        one.axis: [curve.label for curve in one.curves]
        for one in measure_degradation(crossed, tables, "a", "m")
    }
    assert by_axis == {"noisy.snr_db": ["1.0", "2.0"], "noisy.speed": ["9.0", "0.0"]}
