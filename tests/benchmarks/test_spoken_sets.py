"""The spoken sets: homographs are balanced and honestly split, sounds are exchanged as described."""

from __future__ import annotations

from collections import defaultdict

import torch

from benchmarks.claims.experiments.captions_sound import draw_other_captions
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.speech.dual_source import SubstituteStates
from benchmarks.claims.speech.homograph_audio import VOICES, SpokenHomographs, draw_sounds
from benchmarks.claims.speech.homograph_choices import mean_share, word_sums
from benchmarks.claims.speech.homographs import sentences
from benchmarks.common.manifest import describe_run
from components.records import Utterance
from components.stacking.encoder_states import EncoderStates
from components.synthesis.synthesizer import PRONUNCIATION_MARK, strip_marks

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
    train, dev, test = (set(names) for names in VOICES.values())
    assert train.isdisjoint(test)
    assert train.isdisjoint(dev)
    assert dev.isdisjoint(test)


def test_every_split_has_both_readings_of_each_word() -> None:
    readings: dict[tuple[str, str], list[int]] = defaultdict(list)
    for sentence in SET:
        readings[sentence.split, sentence.word].append(sentence.reading)
    assert all(2 * sum(result) == len(result) for result in readings.values())


def test_wrong_sounds_are_the_twin_and_another_word() -> None:
    by_id = {f"test-0-{s.id}": s for s in SET if s.split != "train"}
    test = [Utterance(id=key, text="x", source_language="en") for key in by_id]
    sounds = draw_sounds(SpokenHomographs({"test": test}, by_id, EncoderStates()))
    for key, sentence in by_id.items():
        twin = by_id[sounds["other reading's sound"][key]]
        assert (twin.german, twin.reading) == (sentence.other, 1 - sentence.reading)
        assert by_id[sounds["another sentence's sound"][key]].word != sentence.word
    assert all(key == source for key, source in sounds["right sound"].items())
    assert not sounds["silence"]


def test_shuffled_captions_are_heard_once_each_and_never_with_their_own_sound() -> None:
    captions = [Utterance(id=f"c{i}", text="x", source_language="en") for i in range(9)]
    other = draw_other_captions(captions)
    assert sorted(other.values()) == sorted(other) == [u.id for u in captions]
    assert all(key != source for key, source in other.items())
    states = {u.id: torch.full((2, 3), float(i)) for i, u in enumerate(captions)}
    substitutes = SubstituteStates(states, other)
    assert all(torch.equal(substitutes[key], states[source]) for key, source in other.items())
    assert "absent" not in substitutes


def test_a_system_that_reads_alone_is_right_in_half_of_the_choices_of_every_word() -> None:
    test = [s for s in SET if s.split != "train"]
    outputs = Outputs(describe_run("test"))
    outputs.measurements["sentences"] = [{"split": s.split, "word": s.word, "keys": s.keys} for s in test]
    by_reading = [1.0 if s.reading == 0 else -1.0 for s in test]
    outputs.measurements["margins"] = {
        "reads": {"1": by_reading},
        "hears": {"1": [1.0] * len(test), "2": by_reading},
    }
    for split in ("sentences", "words"):
        assert (word_sums(outputs, "reads", split)[..., 0] == 50).all()
        assert mean_share(word_sums(outputs, "hears", split).sum(1)).tolist() == [100, 50]
    assert "read" in {s.word for s in test if s.split == "sentences"}
    with_read = word_sums(outputs, "reads", "sentences").shape[1]
    assert word_sums(outputs, "reads", "sentences", with_read=False).shape[1] == with_read - 1
