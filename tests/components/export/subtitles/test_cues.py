from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.export.format import ExportSettings
from components.export.recording_text import RecordingText, make_part
from components.export.subtitles.break_costs import break_costs
from components.export.subtitles.cue import Cue
from components.export.subtitles.cue_breaks import Text, _CueCosts, _fits, divide
from components.export.subtitles.cues import Block, build_cues
from components.export.subtitles.lines import break_lines, count_lines
from components.export.subtitles.rule_check import check_rules
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.subtitle_files import LAYOUT
from components.export.subtitles.timed_words import TimedWord, join_words, spread_text, width_of
from components.records import Audio, Hypothesis, NBest, Segment, Utterance

RULES = SubtitleRules()
WORDS = st.text("aeiounst,.", min_size=1, max_size=14)


@st.composite
def timed_words(draw: st.DrawFn) -> list[TimedWord]:
    """Words with pauses of any length, as a recognizer gives them; some last no time at all."""
    clock, words = 0.0, []
    for text in draw(st.lists(WORDS, max_size=40)):
        clock += draw(st.sampled_from([0.0, 0.0, 0.05, 0.6, 3.0]))
        length = draw(st.sampled_from([0.0, 0.1, 0.3, 0.8]))
        words.append(TimedWord(clock, clock + length, text))
        clock += length
    return words


RULE_SETS = st.builds(
    SubtitleRules,
    max_line_width=st.integers(10, 50),
    max_lines=st.integers(1, 3),
    max_seconds=st.floats(2, 9),
    min_gap=st.sampled_from([0.0, 0.083]),
)


def cues_of(
    words: Sequence[TimedWord],
    language: str,
    rules: SubtitleRules,
    second: Sequence[TimedWord] = (),
    second_language: str = "und",
) -> list[Cue]:
    """The subtitles of one block."""
    return build_cues([Block(words, second)], language, rules, second_language)


def written(cues: list[Cue]) -> list[str]:
    return [word.text for cue in cues for line in cue.lines for word in line]


@given(timed_words(), RULE_SETS)
def test_rules_are_kept_and_no_word_is_lost(words: list[TimedWord], rules: SubtitleRules) -> None:
    cues = cues_of(words, "en", rules)
    assert written(cues) == [word.text for word in words]
    for cue in cues:
        assert cue.end > cue.start
        assert len(cue.lines) <= rules.max_lines
        assert all(width_of(line) <= rules.max_line_width or len(line) == 1 for line in cue.lines)
        assert cue.end - cue.start <= rules.max_seconds + 0.002
    for cue, after in pairwise(cues):
        gap = after.start - cue.end
        assert gap >= rules.min_gap - 0.002
        assert gap < 3 / 24 or gap > 11 / 24  # Netflix: gaps of 3 to 11 frames are closed
    check = check_rules([cues], rules)
    assert check.too_long == check.too_many_lines == check.too_close == 0


@given(timed_words(), timed_words(), RULE_SETS)
def test_both_languages_are_whole(
    words: list[TimedWord], second: list[TimedWord], rules: SubtitleRules
) -> None:
    cues = cues_of(words, "en", rules, second, "de")
    both = [[word.text for word in text] for text in (words, second)]
    if words:
        assert written(cues) == both[0]
        assert [word.text for cue in cues for line in cue.second for word in line] == both[1]
    else:
        assert written(cues) == both[1]
    assert all(after.start >= cue.end for cue, after in pairwise(cues))


@given(st.lists(timed_words(), max_size=4), RULE_SETS)
def test_subtitles_of_blocks_follow_each_other(blocks: list[list[TimedWord]], rules: SubtitleRules) -> None:
    """As those of a film do, however short its own are and however close together."""
    cues = build_cues([Block(words) for words in blocks], "en", rules)
    assert written(cues) == [word.text for words in blocks for word in words]
    assert all(cue.end > cue.start for cue in cues)
    assert all(after.start - cue.end >= rules.min_gap - 0.002 for cue, after in pairwise(cues))
    assert check_rules([cues], rules).cues == len(cues)  # which divides by the seconds


@settings(max_examples=40)
@given(st.data())
def test_no_other_division_is_cheaper(data: st.DataObject) -> None:
    words = data.draw(timed_words())[:9]
    rules = SubtitleRules(max_line_width=14, max_seconds=4)
    text, none = Text(words, break_costs(words, "en")), Text((), ())
    cost_of = _CueCosts(text, none, [0] * (len(words) + 1), rules)

    def cost(ends: list[int]) -> float:
        parts = list(pairwise([0, *ends]))
        fits = all(end - start == 1 or _fits(words[start:end], (), rules) for start, end in parts)
        return sum(cost_of(start, end) for start, end in parts) if fits else float("inf")

    found = [end for end, _ in divide(text, none, rules)]
    inner = len(words) - 1
    others = [
        [*(n + 1 for n in range(inner) if mask >> n & 1), len(words)] for mask in range(2 ** max(0, inner))
    ]
    if words:
        assert cost(found) == pytest.approx(min(map(cost, others)))


TALK = (
    "Good morning, and welcome to the harbor. Two fishermen are loading wooden boxes onto a blue boat, and a "
    "gray cat sits on the dock. Dr. Smith waves. Yes. No."
)


def shown(cues: list[Cue]) -> list[tuple[float, float, str]]:
    return [(cue.start, cue.end, cue.text) for cue in cues]


def test_sentences_and_clauses_stay_together() -> None:
    cues = cues_of(spread_text(TALK, [(0.0, 4.0), (6.0, 14.0)]), "en", RULES)
    assert shown(cues) == [
        (0.0, 2.994, "Good morning, and welcome to the harbor."),
        (3.077, 9.379, "Two fishermen are loading\nwooden boxes onto a blue boat,"),
        (9.462, 11.917, "and a gray cat sits on the dock."),
        (12.0, 13.225, "Dr. Smith waves."),
        (13.308, 14.9, "Yes. No."),
    ]


def test_a_pause_after_a_comma_ends_no_sentence() -> None:
    words = [TimedWord(0.0, 0.6, "Today,"), *spread_text("only platforms 1 and 3 are used.", [(1.0, 4.2)])]
    assert shown(cues_of(words, "en", RULES)) == [(0.0, 5.1, "Today, only platforms 1 and 3 are used.")]


def test_a_subtitle_stays_while_it_is_read_but_not_into_the_next() -> None:
    hurried = [TimedWord(1.0, 1.2, "Extraordinarily"), TimedWord(1.2, 1.4, "quick.")]
    rules = SubtitleRules(linger=0)
    (alone,) = cues_of(hurried, "en", rules)
    assert (alone.start, alone.end) == (1.0, round(1.0 + 22 / 17, 3))
    following = TimedWord(5.0, 5.5, "Then")
    assert cues_of([*hurried, following], "en", rules)[0].end == alone.end
    near = TimedWord(1.9, 2.5, "Then")
    rules = SubtitleRules(max_line_width=22, max_lines=1)
    assert cues_of([*hurried, near], "en", rules)[0].end == round(1.9 - 0.083, 3)


def test_full_width_letters_take_two_columns() -> None:
    cues = cues_of(
        spread_text("他不是一个脾气不好的年轻人，除非冷酷无情就是脾气不好。", [(0, 6)]), "zh", RULES
    )
    assert [cue.text for cue in cues] == ["他不是一个脾气不好的年轻人，\n除非冷酷无情就是脾气不好。"]


def test_two_languages_break_together() -> None:
    german = "Guten Morgen und willkommen am Hafen. Zwei Fischer laden Holzkisten auf ein blaues Boot."
    english = "Good morning and welcome to the harbor. Two fishermen load wooden boxes onto a blue boat."
    cues = cues_of(spread_text(english, [(0, 7)]), "en", RULES, spread_text(german, [(0, 7)]), "de")
    assert [cue.text.split("\n") for cue in cues] == [
        ["Good morning and welcome to the harbor.", "Guten Morgen und willkommen am Hafen."],
        [
            "Two fishermen load wooden boxes",
            "onto a blue boat.",
            "Zwei Fischer laden Holzkisten",
            "auf ein blaues Boot.",
        ],
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- Wer ist da? - Eine Frau.", ["- Wer ist da?", "- Eine Frau."]),
        ("Wer ist da? –Eine Frau.", ["Wer ist da?", "–Eine Frau."]),
        ("Es war kalt. -5 Grad.", ["Es war kalt. -5 Grad."]),
        ("Er kam - endlich - an.", ["Er kam - endlich - an."]),
        (
            "- Kommst du heute oder erst morgen früh? - Ja.",
            ["- Kommst du heute", "oder erst morgen früh?", "- Ja."],
        ),
    ],
)
def test_another_speaker_begins_a_line(text: str, lines: list[str]) -> None:
    words = spread_text(text, [(0, 4)])
    assert count_lines(words, 30) == len(lines)
    assert list(map(join_words, break_lines(words, break_costs(words, "de"), 30))) == lines


@given(timed_words(), st.integers(10, 60))
def test_lines_are_as_few_as_can_be(words: list[TimedWord], width: int) -> None:
    lines = break_lines(words, break_costs(words, "en"), width)
    assert " ".join(map(join_words, lines)) == join_words(words)
    greedy = 0
    line: list[TimedWord] = []
    for word in words:
        if not line or width_of([*line, word]) > width:
            greedy, line = greedy + 1, []
        line.append(word)
    assert len(lines) == greedy


def test_what_cannot_be_kept_is_counted() -> None:
    rules = SubtitleRules(max_line_width=10, max_lines=1)
    words = [TimedWord(0.0, 0.2, "Donaudampfschiff"), TimedWord(0.2, 0.4, "fährt.")]
    check = check_rules([cues_of(words, "de", rules)], rules)
    assert (check.cues, check.too_wide, check.too_fast, check.too_short) == (2, 1, 1, 1)
    assert "1 of 2 with a line that is too wide" in check.describe()


def test_every_rule_is_counted_in_both_languages_and_between_subtitles_of_one_file() -> None:
    def line(text: str) -> tuple[TimedWord, ...]:
        return (TimedWord(0.0, 0.0, text),)

    cues = [
        Cue(0.0, 1.0, (line("a" * 20),)),
        Cue(1.2, 2.0, (line("b"),), (line("c" * 11), line("d"), line("e"))),
        Cue(2.1, 10.1, (line("f"),)),
    ]
    check = check_rules([cues[:2], cues[2:]], SubtitleRules(max_line_width=10, min_gap=0.5))
    assert list(check.faults.values()) == [1, 1, 1, 2, 1, 1]
    assert check.median_reading_speed == pytest.approx(13 / 0.8)
    assert check.describe().startswith("3 subtitles, read at 16 columns a second (the fastest at 20); ")


def test_a_subtitle_stays_as_long_as_either_language_is_read_and_the_rules_ask() -> None:
    rules = SubtitleRules(linger=0.0)
    words = [TimedWord(0.0, 0.2, "Ja.")]
    for second, seconds in (((), 1.0), ([TimedWord(0.0, 0.2, "y" * 34)], 2.0)):
        assert [cue.end for cue in cues_of(words, "de", rules, second)] == [seconds]


def test_times_that_run_back_are_pushed_on() -> None:
    words = [TimedWord(5.0, 6.0, "One."), TimedWord(2.0, 1.0, "Two."), TimedWord(7.0, 8.0, "Three.")]
    cues = cues_of(words, "en", RULES)
    assert written(cues) == ["One.", "Two.", "Three."]
    assert all(after.start > cue.start for cue, after in pairwise(cues))


def test_no_subtitles_keep_all_rules() -> None:
    assert check_rules([[], []], SubtitleRules()).describe() == "no subtitles"


def test_the_last_subtitle_ends_with_the_recording_but_not_before_its_last_word() -> None:
    audio = Audio(path="x.wav", sha256="0" * 64, seconds=5.0, sample_rate=16000)
    for said, offset, expected in ((4.9, 0.0, 5.0), (5.2, 0.0, 5.2), (3.0, 0.0, 3.9), (4.9, 1.0, 6.8)):
        sound = audio.model_copy(update={"offset": offset})
        utterance = Utterance(id="x", audio=sound, source_language="en")
        segment = Segment(start=0.5, end=said, text="A dog runs on the beach.")
        best = Hypothesis(text=segment.text, score=0, n_tokens=6, system="x", segments=(segment,))
        part = make_part(utterance, NBest(utterance_id="x", hypotheses=(best,)), "en")
        cues = LAYOUT.lay_out(RecordingText("x", "asr", True, [part]), ExportSettings(SubtitleRules()))
        assert cues[-1].end == expected
