"""The vocabulary on disk: transformers' tokenizer gives the ids that the loop trains on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from transformers import MarianTokenizer

from components.errors import DataError
from components.training.examples import vocabulary
from components.training.examples.parallel_data import encode_pairs, warn_of_known_pairs

LINES = [
    "Ein Mann fährt Fahrrad.",
    "A man rides a bicycle.",
    "Zwei Hunde spielen im Schnee.",
    "Two dogs play in the snow.",
] * 5


def test_tokenizer_gives_the_ids_of_the_pieces(tmp_path: Path) -> None:
    spm = vocabulary.train(LINES, 64)
    vocabulary.save(spm, tmp_path, "en", "de")
    tokenizer = MarianTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1)
    assert tokenizer.pad_token_id == len(tokenizer) - 1 < 64
    for example, line in zip(encode_pairs([(x, x) for x in LINES], spm, 100), LINES, strict=True):
        assert tokenizer(line)["input_ids"] == list(example.source) == list(example.target)
        assert tokenizer(text_target=line)["input_ids"] == list(example.source)
        assert tokenizer.decode(example.source, skip_special_tokens=True) == line
        assert 1 not in example.source


def test_training_a_vocabulary_is_deterministic() -> None:
    assert vocabulary.train(LINES, 64) == vocabulary.train(LINES, 64)


def test_more_characters_than_pieces_is_one_line() -> None:
    with pytest.raises(
        DataError, match="vocabulary: expected a size that suits the text, found 10"
    ) as caught:
        vocabulary.train(LINES, 10)
    assert "\n" not in str(caught.value)


def test_only_too_long_pairs() -> None:
    with pytest.raises(DataError, match="at most max_length 2 pieces, found 20 longer"):
        encode_pairs([(x, x) for x in LINES], vocabulary.train(LINES, 64), 2)


def test_development_pairs_that_are_learned_are_counted_aloud(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [(f"{n}", f"{n}!") for n in range(20)]
    with caplog.at_level(logging.WARNING, logger="antiphon.training"):
        warn_of_known_pairs(pairs, pairs[:2])  # a caption that occurs twice is nobody's mistake
        warn_of_known_pairs(pairs, [*pairs[:3], *pairs[:3]])
    assert caplog.messages == [
        "dev: 3 of 20 pairs are training data, too: such pairs do not tell which checkpoint is best"
    ]


def test_pairs_that_are_too_long_are_counted_aloud(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [("a dog", "ein Hund"), ("a dog " * 30, "ein Hund")]
    with caplog.at_level(logging.WARNING, logger="antiphon.training"):
        assert len(encode_pairs(pairs, vocabulary.train(LINES, 64), 20)) == 1
    assert caplog.messages == ["1 of 2 pairs are left out: more than max_length 20 pieces"]
