"""Long recordings are scored by their reference segments, as if these had been utterances all along."""

from __future__ import annotations

import pytest

from components.analysis.cost import Cost
from components.attribution.cascade_attribution import AttributionCase, attribute_cascade
from components.comparison.comparison import compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.tabulation import System
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import metrics_of
from components.metrics.translation_quality.translation import translation_scores
from components.records import Audio, ReferenceSegment, Utterance
from components.text.matching.resegmentation import PROTOCOL, cut_blocks

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=100, sample_rate=16000, offset=5)
SENTENCES = [f"Satz Nummer {n} ist nicht lang." for n in range(12)]


def talk(*segments: ReferenceSegment, **fields: object) -> Utterance:
    return Utterance.model_validate(
        {
            "id": "talk",
            "audio": SOUND,
            "source_language": "en",
            "target_language": "de",
            "transcript": "whole",
            "references": ("whole",),
            "reference_segments": segments,
            **fields,
        }
    )


def segment(number: int, *references: str, transcript: str | None = "said") -> ReferenceSegment:
    return ReferenceSegment(
        start=2.0 * number, end=2.0 * number + 1.5, transcript=transcript, references=references
    )


LONG = talk(*(segment(n, text) for n, text in enumerate(SENTENCES)))
SHORT = Utterance(id="short", audio=SOUND, source_language="en", transcript="b", references=("Kurz.",))


def test_units_are_segments_with_their_own_stretch_of_sound() -> None:
    units = ScoringUnits([LONG, SHORT], "translation", "de")
    assert [u.id for u in units.utterances] == [*(f"talk#{n}" for n in range(1, 13)), "short"]
    third = units.utterances[2]
    assert (third.audio.offset, third.audio.seconds) == (9.0, 1.5)  # type: ignore[union-attr]
    assert units.references["talk#3"] == (SENTENCES[2],)
    assert units.count(2) == 13
    assert units.sign("x") == f"x|unit:segment|{PROTOCOL}"
    assert ScoringUnits([SHORT], "translation", "de").sign("x") == "x"
    beside = SHORT.model_copy(update={"id": "talk#1"})
    both = ScoringUnits([LONG, beside], "translation", "de")
    assert list(both.references.values()) == [*((text,) for text in SENTENCES), ("Kurz.",)]
    assert both.split({"talk": " ".join(SENTENCES), "talk#1": "Kurz."}).keys() == both.references.keys()


def test_a_stretch_without_words_is_no_unit_of_hallucinations() -> None:
    """The cut gives it no words, whatever the system wrote there: 0 of 1 would be a claim about nothing."""
    recording = talk(segment(0, transcript="a b"), segment(1, transcript=""), segment(2, transcript="c d"))
    silence = Utterance(id="silence", audio=SOUND, source_language="en", transcript="")
    units = ScoringUnits([recording, silence], "transcript", "en")
    segments = units.align({"talk": "a b thanks for watching c d", "silence": "you"}, 2)
    assert segments is not None
    scores = units.score(metrics_of("transcript").values(), segments, 2)
    assert (scores["hallucinations"].value, scores["hallucinations"].n) == (100.0, 1)
    assert scores["wer"].value == pytest.approx(100 * 3 / 4)  # they stay insertions of a neighbor
    assert (scores["wer"].n, scores["wer"].n_total) == (2, 4)


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_every_metric_of_translations_compares_segments(name: str) -> None:
    """Equal to the score of the sentences by themselves, with a test over twelve of them."""
    words = [text.replace("nicht", "gar nicht") for text in SENTENCES]
    cost = Cost(seconds=1, peak_memory_bytes=1, calls=1)
    systems = [
        System("a", {"talk": " ".join(words)}, {}, cost),
        System("b", {"talk": " ".join(SENTENCES)}, {}, cost),
    ]
    settings = ComparisonSettings.model_validate({"metrics": (name,)})
    result, values = compare([LONG], systems, settings, language="de", source_language="en")
    ids = [f"talk#{n}" for n in range(1, 13)]
    references = {key: [text] for key, text in zip(ids, SENTENCES, strict=True)}
    expected = translation_scores(references, dict(zip(ids, words, strict=True)), language="de", n_total=12)
    assert result.rows[0].scores[name].value == pytest.approx(expected[name].value)
    assert (result.n, list(values)) == (12, ids)
    (difference,) = result.differences
    assert difference.verdict == "better"
    assert f"|{PROTOCOL}|" in difference.signature
    assert {contrast.utterance_id for contrast in result.contrasts} <= set(values)


def test_a_recording_scores_as_its_sentences_would_have() -> None:
    words = [text.replace("nicht", "gar nicht").replace("Nummer", "Zahl") for text in SENTENCES]
    units = ScoringUnits([LONG], "translation", "de")
    aligned = units.align({"talk": " ".join(words)}, 1)
    assert list(aligned.hypotheses) == words
    assert aligned.sources[0] == "said"
    expected = translation_scores(
        dict(enumerate_ids(SENTENCES, listed=True)), dict(enumerate_ids(words)), language="de", n_total=12
    )
    cut = units.split({"talk": " ".join(words)})
    scores = translation_scores(units.references, cut, language="de", n_total=12)
    assert scores["bleu"].value == expected["bleu"].value
    assert (scores["bleu"].n, scores["bleu"].n_total) == (12, 12)


def enumerate_ids(texts: list[str], *, listed: bool = False) -> list[tuple[str, object]]:
    return [(str(n), (text,) if listed else text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("utterance", "split"),
    [
        (talk(segment(0, "a"), segment(1)), False),  # a segment without a reference: the whole is scored
        (talk(), False),
        (talk(segment(0, "a")), True),
    ],
)
def test_only_complete_references_are_units(utterance: Utterance, split: bool) -> None:
    units = ScoringUnits([utterance], "translation", "de")
    assert (list(units.references) == ["talk#1"]) == split
    assert units.split({"talk": "x", "unknown": "y"}) == {"talk#1" if split else "talk": "x"}


def test_the_nearest_of_several_references_says_where_to_cut() -> None:
    long = talk(segment(0, "eins zwei", "a b c"), segment(1, "drei vier", "d e"), segment(2, "x"))
    units = ScoringUnits([long], "translation", "de")
    assert list(units.split({"talk": "a b c d e x"}).values()) == ["a b c", "d e", "x"]
    assert list(units.split({"talk": "eins zwei drei vier x"}).values()) == ["eins zwei", "drei vier", "x"]


def test_outputs_that_are_missing_or_empty_are_counted() -> None:
    units = ScoringUnits([LONG, SHORT], "transcript", "en")
    assert units.align({}, 2) is None
    assert set(units.split({"talk": ""}).values()) == {""}
    assert len(units.align({"short": "b"}, 2) or ()) == 1


TEXT = " ".join(f"Das ist Satz {n} und er hat neun Wörter{'.' if n % 3 else ','}" for n in range(150))


def wrong(text: str, every: int) -> str:
    return " ".join("falsch" if n % every == 0 else word for n, word in enumerate(text.split()))


def test_a_talk_of_ten_minutes_has_an_interval_and_a_test() -> None:
    """Of one recording and its reference text, without times: one unit had nothing to be resampled."""
    audio = SOUND.model_copy(update={"seconds": 600})
    one = talk(audio=audio, transcript=TEXT, references=())
    systems = [
        System(name, {}, {"talk": wrong(TEXT, every)}, Cost(seconds=1, peak_memory_bytes=1, calls=1))
        for name, every in (("bad", 5), ("good", 9))
    ]
    comparison, _ = compare([one], systems, ComparisonSettings(), language="de", source_language="de")
    (wer,) = comparison.differences
    assert 20 < wer.n < 28
    assert wer.verdict == "better"
    assert wer.interval is not None
    assert "|unit:block50|" in wer.signature
    assert wer.value == pytest.approx(100 / 9, abs=0.3)  # as if nothing had been cut
    short = talk(audio=audio, transcript=" ".join(TEXT.split()[:90]), references=())
    units = ScoringUnits([short], "transcript", "de")
    assert [unit.id for unit in units.utterances] == ["talk#transcript-1", "talk#transcript-2"]
    quick = talk(audio=audio.model_copy(update={"seconds": 59}), transcript=TEXT, references=())
    assert list(ScoringUnits([quick], "transcript", "de").references) == ["talk"]


def test_blocks_end_with_sentences_and_lose_nothing() -> None:
    blocks = cut_blocks(TEXT, "de", 50)
    assert " ".join(blocks) == TEXT
    assert all(block.endswith(".") for block in blocks[:-1])
    assert {len(block.split()) for block in blocks[:-1]} <= set(range(50, 60))
    assert [len(b.split()) for b in cut_blocks(TEXT.replace(".", ""), "de", 50)] == [50] * 27
    assert cut_blocks("", "de", 50) == [""]
    assert [len(block) for block in cut_blocks("字" * 120, "zh", 50)] == [50, 70]


def test_losses_of_a_cascade_are_attributed_by_segment() -> None:
    gold, output = " ".join(SENTENCES), " ".join(["Das ist falsch.", *SENTENCES[1:]])
    case = AttributionCase(LONG, " ".join(["said"] * 11 + ["sad"]), output)
    report, numbers = attribute_cascade([case], {"asr": {"talk": gold}}, {"asr": ()}, "mt", 1)
    assert report.blames[0].n == 12
    assert set(numbers) == {f"talk#{n}" for n in range(1, 13)}
    assert [key for key, row in numbers.items() if row["chrf"] < 100] == ["talk#1"]
