"""cpWER and tcpWER: equal to meeteval on its own input, resampled, and left out without speakers."""

from __future__ import annotations

import random

import pytest

from components.analysis.cost import Cost
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.tabulation import System
from components.metrics.error_rates.turns import Turn, Turns, output_turns
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import metrics_of
from components.records import Audio, Hypothesis, ReferenceSegment, Segment, Utterance
from components.run_record import Score

meeteval = pytest.importorskip("meeteval", reason="needs the extra meetings: meeteval is built by a compiler")

Line = tuple[str, float, float, str]
MEETING: list[Line] = [
    ("ann", 0.0, 2.0, "Good morning everyone."),
    ("bob", 1.8, 4.0, "Good morning Ann!"),
    ("ann", 4.2, 8.0, "Shall we begin with the harbor?"),
    ("eve", 8.1, 9.0, "Yes."),
]
OUTPUT: list[Line] = [
    ("spk1", 0.1, 2.1, "good morning everyone"),
    ("spk2", 1.9, 4.1, "good morning and"),
    ("spk1", 4.1, 8.2, "shall we begin with a harbor"),
    ("spk1", 8.1, 9.0, "yes"),  # the wrong speaker
]


def recording(key: str, lines: list[Line]) -> Utterance:
    return Utterance(
        id=key,
        audio=Audio(path="x.wav", sha256="0" * 64, seconds=30.0, sample_rate=16000),
        source_language="en",
        transcript=" ".join(text for *_, text in lines),
        reference_segments=tuple(
            ReferenceSegment(speaker=speaker, start=start, end=end, transcript=text)
            for speaker, start, end, text in lines
        ),
    )


def turns_of(lines: list[Line]) -> Turns:
    return tuple(Turn(*line) for line in lines)


def score(meetings: dict[str, tuple[list[Line], list[Line]]]) -> dict[str, Score]:
    utterances = [recording(key, reference) for key, (reference, _) in meetings.items()]
    units = ScoringUnits(utterances, "transcript", "en")
    texts = {key: " ".join(line[3] for line in output) for key, (_, output) in meetings.items()}
    turns = {key: turns_of(output) for key, (_, output) in meetings.items()}
    segments = units.align(texts, len(utterances), turns)
    assert segments is not None
    return units.score(metrics_of("transcript").values(), segments, len(utterances))


def seglst(session: str, lines: list[Line]) -> list[dict[str, object]]:
    """Meeteval's own form, with the words as they are after normalization."""
    words = {"Good morning everyone.": "good morning everyone", "Good morning Ann!": "good morning anne"}
    return [
        {
            "session_id": session,
            "speaker": speaker,
            "start_time": start,
            "end_time": end,
            "words": words.get(text, text.lower().strip(".?!")),
        }
        for speaker, start, end, text in lines
    ]


def test_errors_of_a_meeting_are_counted_by_hand() -> None:
    """``and`` for Ann, ``a`` for ``the``; ``yes`` is too much for ann and missing for eve: 4 of 13 words."""
    scores = score({"m": (MEETING, OUTPUT)})
    assert scores["cpwer"].value == pytest.approx(100 * 4 / 13)
    assert (scores["cpwer"].n, scores["cpwer"].n_total) == (1, 1)
    assert scores["cpwer"].interval is None  # one recording is drawn in one way
    assert "whisper-english" in scores["cpwer"].signature
    assert "|collar:5s|meeteval:" in scores["tcpwer"].signature
    assert scores["wer"].n == 4  # segments


def test_a_word_at_another_time_is_wrong_for_tcpwer_alone() -> None:
    late = [(speaker, start + 20.0, end + 20.0, text) for speaker, start, end, text in MEETING]
    scores = score({"m": (MEETING, late)})
    assert scores["cpwer"].value == 0.0
    assert scores["tcpwer"].value == pytest.approx(200.0)  # every word is missing, and another one too much


def test_scores_are_meetevals() -> None:
    rng = random.Random(7)
    words = ["yes", "no", "the", "harbor", "boat", "we", "begin", "with", "a", "morning"]

    def meeting(speakers: str) -> list[Line]:
        starts = sorted(round(rng.uniform(0, 25), 2) for _ in range(12))
        return [
            (rng.choice(speakers), start, start + 2.0, " ".join(rng.choices(words, k=rng.randint(1, 5))))
            for start in starts
        ]

    meetings = {f"m{n}": (meeting("abc"), meeting("wxyz")) for n in range(12)}
    for lines in meetings.values():
        for side in lines:  # a speaker may not talk over himself
            side.sort(key=lambda line: line[1])
    scores = score(meetings)
    reference = [row for key, (lines, _) in meetings.items() for row in seglst(key, lines)]
    output = [row for key, (_, lines) in meetings.items() for row in seglst(key, lines)]
    expected = {
        "cpwer": meeteval.wer.cpwer(reference, output),
        "tcpwer": meeteval.wer.tcpwer(reference, output, collar=5.0),
    }
    for name, by_session in expected.items():
        total = meeteval.wer.combine_error_rates(by_session)
        assert scores[name].value == pytest.approx(100 * total.error_rate)
        assert scores[name].n == 12
        low, high = scores[name].interval or (0.0, 0.0)
        assert low < scores[name].value < high


def test_without_speakers_on_both_sides_they_are_left_out() -> None:
    silent = Hypothesis(
        text="x", score=0, n_tokens=1, system="s", segments=(Segment(start=0, end=1, text="x"),)
    )
    assert output_turns(silent) is None
    assert score({"m": (MEETING, [])}).keys().isdisjoint({"cpwer", "tcpwer"})
    units = ScoringUnits([recording("m", MEETING)], "transcript", "en")
    segments = units.align({"m": "yes"}, 1)
    assert segments is not None
    assert "cpwer" not in units.score(metrics_of("transcript").values(), segments, 1)


def test_a_recording_of_which_nothing_was_written_is_all_missed() -> None:
    assert output_turns(Hypothesis(text="", score=0, n_tokens=0, system="s")) == ()
    scores = score({"m": (MEETING, MEETING), "silent": (MEETING, [])})
    assert [scores[name].value for name in ("der", "cpwer")] == pytest.approx([50.0, 50.0])
    assert scores["der"].n == 2


def test_systems_are_compared_on_the_recordings_that_all_have() -> None:
    utterances = [recording(f"m{n}", MEETING) for n in range(12)]
    text = " ".join(line[3] for line in OUTPUT)

    def system(name: str, lines: list[Line], n: int) -> System:
        cost = Cost(seconds=1, peak_memory_bytes=1, calls=1)
        texts = {u.id: text for u in utterances}
        return System(name, {}, texts, cost, turns={u.id: turns_of(lines) for u in utterances[:n]})

    systems = [system("base", OUTPUT, 12), system("perfect", MEETING, 11)]
    settings = ComparisonSettings(metrics=("cpwer", "wer"))
    result, _ = compare(utterances, systems, settings, language="de", source_language="en")
    rates = {row.system: row.scores["cpwer"] for row in result.rows}
    assert (rates["base"].n, rates["perfect"].value) == (11, 0.0)
    assert rates["base"].value == pytest.approx(100 * 4 / 13)
