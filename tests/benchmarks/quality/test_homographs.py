"""The homograph set is what it says: balanced, ambiguous in writing, and honestly split."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.claims.speech.homographs import Sentence, sentences
from benchmarks.quality.stacking.choices import accuracy_interval, mcnemar
from benchmarks.quality.stacking.experiment import VOICES, Verdict
from components.synthesis.markup import PRONUNCIATION_MARK, strip_marks

SET = sentences()


def test_every_sentence_stands_there_in_two_readings_that_only_the_sound_tells_apart() -> None:
    assert len(SET) >= 400
    assert len({s.id for s in SET}) == len(SET)
    for first, second in zip(SET[::2], SET[1::2], strict=True):
        assert strip_marks(first.marked) == strip_marks(second.marked)
        assert first.marked != second.marked
        assert (first.german, first.other) == (second.other, second.german)
        assert first.german != first.other
        assert first.keys == second.keys[::-1]
        for sentence in (first, second):
            marks = PRONUNCIATION_MARK.findall(sentence.marked)
            assert [word for word, _ in marks] == [sentence.word]
            assert sentence.keys[0] in sentence.german
            assert sentence.keys[1] not in sentence.german.replace(".", "").split()


def test_what_is_held_out_is_heard_nowhere_in_training() -> None:
    training_set = [s for s in SET if s.split == "train"]
    texts = {strip_marks(s.marked) for s in training_set}
    for sentence in SET:
        if sentence.split == "words":
            assert sentence.word not in {s.word for s in training_set}
        if sentence.split == "sentences":
            assert strip_marks(sentence.marked) not in texts
            assert sentence.word in {s.word for s in training_set}
    voices = [set(names) for names in VOICES.values()]
    assert not voices[0] & voices[1] | voices[0] & voices[2] | voices[1] & voices[2]


def test_every_split_has_both_readings_of_each_word() -> None:
    readings: dict[tuple[str, str], list[int]] = defaultdict(list)
    for sentence in SET:
        readings[sentence.split, sentence.word].append(sentence.reading)
    assert all(2 * sum(result) == len(result) for result in readings.values())


def verdict(sentence: Sentence, right: bool) -> Verdict:
    return Verdict(sentence, right, right, "")


def test_the_statistics_of_the_choices() -> None:
    word_set = [s for s in SET if s.split == "words"]
    half = [verdict(s, s.reading == 0) for s in word_set]
    value, low, high = accuracy_interval(half)
    assert value == low == high == 50  # a text-only system is at chance in every word
    every = [verdict(s, True) for s in word_set]
    assert accuracy_interval(every) == (100, 100, 100)
    assert mcnemar(half, half) == 1.0
    assert mcnemar(every[:20], half[:20]) == 2 / 2**10  # ten wins, no loss
