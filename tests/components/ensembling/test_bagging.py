from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from components import audio, data
from components.data.named import SAMPLES
from components.ensembling.bagging import bags
from components.errors import ConfigError, DataError
from components.records import Utterance
from components.training.pairs import of_utterances, read

N = 1000
UTTERANCES = [
    Utterance(
        id=f"u{n}",
        text=f'a "dog" {n}',
        source_language="en",
        target_language="de",
        references=(f"ein Hund {n}",),
    )
    for n in range(N)
]


def test_bags_are_draws_that_training_reads(tmp_path: Path) -> None:
    first, second = bags(UTTERANCES, tmp_path, 2, seed=3)
    assert first.sha256 != second.sha256
    pairs, _ = read(first.path, ("en", "de"))
    assert len(pairs) == first.draws == N
    counts = Counter(pairs)
    assert set(counts) <= set(of_utterances(UTTERANCES))
    assert len(counts) == first.distinct
    missing = {pair[0] for pair in of_utterances(UTTERANCES)} - {pair[0] for pair in counts}
    assert {u.text for u in UTTERANCES if u.id in first.out_of_bag} == missing
    assert first.distinct + len(first.out_of_bag) == N
    assert 0.58 < first.distinct / N < 0.68  # 1 - 1/e is 0.632
    assert max(counts.values()) > 2
    assert Path(first.out_of_bag_path).read_text().split() == list(first.out_of_bag)


def test_they_depend_on_seed_and_number_only(tmp_path: Path) -> None:
    two = bags(UTTERANCES, tmp_path / "a", 2, seed=3)
    three = bags(UTTERANCES, tmp_path / "b", 3, seed=3)
    assert [bag.sha256 for bag in three[:2]] == [bag.sha256 for bag in two]
    assert bags(UTTERANCES, tmp_path / "c", 1, seed=4)[0].sha256 != two[0].sha256


def test_spoken_utterances_keep_their_audio(tmp_path: Path) -> None:
    path = SAMPLES.parent / "caption-01.flac"
    spoken = Utterance(
        id="s", audio=audio.describe(path), source_language="en", transcript="words", domain="captions"
    )
    [bag] = bags([spoken], tmp_path, 1, seed=0)
    [read_back] = data.load(bag.path).utterances
    assert read_back == spoken
    assert bag.out_of_bag == ()


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1 bag, found 0"):
        bags(UTTERANCES, tmp_path, 0, seed=0)
    for wrong in [], [UTTERANCES[0]] * 2:
        with pytest.raises(DataError, match="different ids to draw from"):
            bags(wrong, tmp_path, 1, seed=0)
