from __future__ import annotations

import numpy as np
import pytest

from components.errors import ConfigError
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import get_metric
from components.records import Audio, Utterance
from components.tuning.confirmation import confirm_winner, refuse_overlap, set_aside
from components.tuning.tables import describe_verdict


def text(key: str, source: str) -> Utterance:
    return Utterance(id=key, text=source, source_language="en")


def spoken(key: str, digest: str, offset: float = 0.0) -> Utterance:
    audio = Audio(path="a.wav", sha256=digest * 64, seconds=2.0, sample_rate=16000, offset=offset)
    return Utterance(id=key, audio=audio, source_language="en")


def test_data_that_the_search_sees_cannot_confirm_whatever_their_ids_are() -> None:
    confirm = [text("x", "a cafe\u0301 "), spoken("y", "b"), text("z", "new")]
    refuse_overlap(confirm, {"data": [text("z", "other"), spoken("y", "b", 2.0)]})
    with pytest.raises(ConfigError, match="found 2 of 3 that are in data--dev: x, y"):
        refuse_overlap(confirm, {"data": [], "data--dev": [text("1", "a caf\u00e9"), spoken("2", "b")]})


def test_a_share_of_the_data_has_no_text_that_the_search_sees() -> None:
    utterances = [text(f"u{n}", "Yes." if n % 3 else f"sentence {n}") for n in range(30)]
    for seed in range(20):
        searched, aside = set_aside(utterances, 8, seed)
        assert sorted(searched + aside) == list(range(30))
        assert len(aside) in (8, *range(20, 28))  # those of one text come all, or none
        refuse_overlap([utterances[n] for n in aside], {"data": [utterances[n] for n in searched]})
    different = [text(f"u{n}", f"sentence {n}") for n in range(30)]
    assert set_aside(different, 8, 3)[1] == sorted(np.random.default_rng(3).permutation(30)[:8].tolist())


def table(errors: np.ndarray) -> CorpusStatistics:
    rows = np.stack([errors, np.full(len(errors), 10.0)], axis=1)
    ids = tuple(f"u{n}" for n in range(len(errors)))
    return CorpusStatistics(get_metric("wer"), ids, rows, len(errors), "test")


def test_optimism_of_the_best_of_many_equal_systems_is_what_the_search_made_up() -> None:
    """Systems that differ by chance alone: the gain that a search reports is all optimism."""
    rng = np.random.default_rng(5)
    optimism, covered = [], 0
    for _ in range(16):
        tries = [table(rng.binomial(10, 0.3, 60).astype(float)) for _ in range(20)]
        best = min(tries, key=lambda each: each.score())
        confirmed = (
            table(rng.binomial(10, 0.3, 60).astype(float)),
            table(rng.binomial(10, 0.3, 60).astype(float)),
        )
        result = confirm_winner((best, tries[0]), confirmed)
        optimism.append(result.gain_optimism.value)
        assert result.search_gain.value == pytest.approx(tries[0].score() - best.score())
        assert result.gain_optimism.value == pytest.approx(
            result.search_gain.value - result.confirmed_gain.value
        )
        covered += result.confirmed_gain.interval[0] <= 0 <= result.confirmed_gain.interval[1]
    assert np.mean(optimism) > 1.5  # the best of 20 looks better by almost two errors in a hundred words
    assert covered >= 13


def test_a_gain_is_taken_by_the_test_and_not_by_an_interval_that_is_too_narrow_for_few_utterances() -> None:
    """Of ten utterances four have an error less: the interval excludes 0, one draw in eight has as many."""
    few = table(np.zeros(10)), table(np.repeat([1.0, 0.0], [4, 6]))
    result = confirm_winner(few, few)
    assert result.confirmed_gain.interval[0] > 0
    assert describe_verdict(result).startswith(
        "Keep what you have; no significant gain: +4.0 (+1.0 to +7.0) WER"
    )
    many = table(np.zeros(20)), table(np.repeat([1.0, 0.0], [8, 12]))
    assert describe_verdict(confirm_winner(few, many)).startswith("Take the winner: +4.0 ")
    assert describe_verdict(confirm_winner(few, many[::-1])).startswith("Keep what you have: -4.0 ")


def test_interval_of_the_optimism_is_that_of_independent_draws() -> None:
    rng = np.random.default_rng(6)
    tables = [table(rng.binomial(10, p, 200).astype(float)) for p in (0.2, 0.3, 0.25, 0.3)]
    result = confirm_winner((tables[0], tables[1]), (tables[2], tables[3]))
    spread = np.sqrt(sum(np.var(t.rows[:, 0]) / 200 for t in (tables[0], tables[2]))) * 10
    low, high = result.optimism.interval
    assert (high - low) / (2 * 1.96) == pytest.approx(spread, rel=0.1)
