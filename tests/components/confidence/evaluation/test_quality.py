from __future__ import annotations

import math

import pytest

from components.confidence.evaluation.outcomes import OUTCOMES, RAW
from components.confidence.evaluation.quality import MEASURES, SignalQuality, measure_quality
from components.confidence.evaluation.trial_tables import ScoredText
from components.confidence.evaluation.verdict import describe_signals
from components.metrics.statistics.bootstrap import Estimate
from components.records import Hypothesis, Token


def scored(
    key: str, reference: str, words: dict[str, float], language: str = "en", **estimates: float
) -> ScoredText:
    """A text of words with their confidences; the tokens' probabilities are the squares."""
    tokens = tuple(Token(piece=f" {word}", log_prob=2 * math.log(p)) for word, p in words.items())
    best = Hypothesis(
        text=" ".join(words),
        score=sum(token.log_prob for token in tokens),
        n_tokens=len(tokens),
        system="asr",
        features=estimates,
        tokens=tokens,
        word_confidences=tuple(words.values()) if estimates else (),
    )
    return ScoredText(key, best, (reference,), language)


TEXTS = [
    scored("a", "two dogs run", {"Two": 0.9, "dogs": 0.8, "ran": 0.3}, p_correct=0.3, expected_wer=40.0),
    scored("b", "a 2nd cat", {"A": 0.9, "second": 0.7, "cat.": 0.95}, p_correct=0.8, expected_wer=0.0),
    scored("silence", "", {"Thank": 0.4, "you.": 0.5}, p_correct=0.2, expected_wer=90.0),
    scored("nothing", "", {}, p_correct=0.9, expected_wer=5.0),
]


def by_name(signals: list[SignalQuality]) -> dict[tuple[str, str], SignalQuality]:
    return {(signal.outcome, signal.signal): signal for signal in signals}


def measure(signal: SignalQuality, name: str) -> Estimate:
    estimate = signal.measures[name]
    assert estimate is not None
    return estimate


def test_every_word_is_judged_as_the_error_rate_counts_it() -> None:
    words = by_name(measure_quality("asr", TEXTS, "transcript"))["word", "word_confidences"]
    assert (words.n, words.n_total, words.n_utterances) == (8, 8, 4)
    assert words.mean_loss == pytest.approx(3 / 8)  # ran; Thank, you where nothing was said
    assert measure(words, "auroc").value == 1  # 0.3, 0.4 and 0.5 are below all others
    assert measure(words, "auroc").interval is None  # four utterances


def test_the_raw_signal_stands_beside_each_estimate() -> None:
    signals = by_name(measure_quality("asr", TEXTS, "transcript"))
    assert [key for key in signals if key[0] == "utterance"] == [
        ("utterance", "p_correct"),
        ("utterance", RAW),
    ]
    raw = signals["word", RAW]
    bins = raw.reliability
    assert [each.n for each in bins] == [8]
    assert bins[0].confidence == pytest.approx(
        sum(p**2 for p in (0.9, 0.8, 0.3, 0.9, 0.7, 0.95, 0.4, 0.5)) / 8
    )
    assert measure(signals["word", "word_confidences"], "auroc_gain").value == pytest.approx(0)
    assert "auroc_gain" not in raw.measures
    assert signals["utterance", RAW].n == 3  # nothing has no tokens
    assert "auroc_gain" not in signals["utterance", "p_correct"].measures  # not of the same utterances


def test_an_utterance_is_right_without_errors_and_silence_if_nothing_is_written() -> None:
    signals = by_name(measure_quality("asr", TEXTS, "transcript"))
    assert signals["utterance", "p_correct"].mean_loss == pytest.approx(2 / 4)
    noise = scored("noise", "", {"[Music]": 0.4}, p_correct=0.9)  # no word, as hallucinations are counted
    also = by_name(measure_quality("asr", [*TEXTS, noise], "transcript"))
    assert also["utterance", "p_correct"].mean_loss == pytest.approx(2 / 5)
    expected = signals["wer", "expected_wer"]
    assert (expected.n, expected.n_total) == (2, 2)  # silence has no error rate
    assert expected.mean_loss == pytest.approx(100 / 6)
    assert expected.measures.keys() == {"aurc", "eaurc", "kendall", "pearson"}
    assert measure(expected, "kendall").value == 1  # the higher the expected rate, the higher the rate
    assert expected.reliability == ()


@pytest.mark.parametrize(("n", "is_known"), [(30, False), (99, False), (100, True)])
def test_an_error_of_calibration_takes_five_bins(n: int, is_known: bool) -> None:
    """In one bin only the means are compared, which are as close as can be here."""
    shares = [(i + 1) / (n + 1) for i in range(n)]
    texts = [
        scored(f"u{i}", "a b" if i % 2 else "a c", {"a": 0.9, "b": 0.9}, p_correct=share)
        for i, share in enumerate(shares)
    ]
    signals = by_name(measure_quality("asr", texts, "transcript"))
    whole = signals["utterance", "p_correct"]
    assert (whole.measures["ece"] is not None) is is_known
    assert measure(whole, "brier").value > 0.2
    assert {"nce", "auroc"} <= whole.measures.keys()
    assert SignalQuality.model_validate_json(whole.model_dump_json()) == whole


def test_without_estimates_nothing_is_measured_unless_it_is_asked_for() -> None:
    plain = [
        scored("a", "two dogs", {"two": 0.9, "ducks": 0.4}),
        scored("b", "a cat", {"a": 0.9, "cat": 0.8}),
    ]
    assert measure_quality("asr", plain, "transcript", estimated_only=True) == []
    assert {signal.signal for signal in measure_quality("asr", plain, "transcript")} == {RAW}


def test_translations_are_bad_below_the_threshold_of_the_estimator() -> None:
    texts = [
        scored(key, reference, {"ein": 0.9, text: p}, "de", p_bad=1 - p, expected_chrf=100 * p)
        for key, reference, text, p in (
            ("a", "ein Hund", "Hund", 0.9),
            ("b", "ein Hund", "Hunde", 0.6),
            ("c", "ein Haus", "Baum", 0.2),
        )
    ]
    further = {"COMET": {"a": 80.0, "b": 70.0, "c": 75.0}}
    signals = by_name(measure_quality("mt", texts, "translation", further=further, bad_below=50.0))
    assert {outcome for outcome, _ in signals} == {"bad", "chrf"}
    bad, chrf = signals["bad", "p_bad"], signals["chrf", "expected_chrf"]
    assert bad.mean_loss == pytest.approx(1 / 3)
    assert measure(bad, "auroc").value == 1
    assert measure(chrf, "kendall").value == 1
    assert measure(chrf, "kendall COMET").value == pytest.approx(1 / 3)
    assert [
        by_name(measure_quality("mt", texts, "translation", bad_below=threshold))["bad", "p_bad"].mean_loss
        for threshold in (0.0, 100.0, None)
    ] == pytest.approx([0.0, 2 / 3, 1 / 3])  # None: more than 10 points below the mean


def test_words_of_languages_without_spaces_are_not_judged() -> None:
    texts = [scored("a", "今日は", {"今日は": 0.9}, "ja", p_correct=0.9)]
    assert {signal.outcome for signal in measure_quality("asr", texts, "transcript")} == {"utterance", "wer"}


def test_confidences_that_do_not_fit_the_words_are_left_out() -> None:
    text = TEXTS[0]
    short = ScoredText("a", text.best.model_copy(update={"word_confidences": (0.5,)}), text.references, "en")
    words = [signal for signal in measure_quality("asr", [short], "transcript") if signal.outcome == "word"]
    assert [signal.signal for signal in words] == [RAW]


def test_an_estimate_that_a_part_of_the_texts_has_says_of_how_many_it_speaks() -> None:
    routed = [TEXTS[0], scored("b", "a cat", {"a": 0.9, "cat": 0.8})]  # b came the other way
    words, whole = (said.text for said in describe_signals(measure_quality("asr", routed, "transcript")))
    assert words.startswith("asr, words (3 of 5 have word_confidences): ")
    assert whole.startswith("asr, transcripts without an error (1 of 2 have p_correct): ")


def test_every_measure_has_a_label() -> None:
    signals = measure_quality("asr", TEXTS, "transcript")
    assert {name for signal in signals for name in signal.measures} <= MEASURES.keys()
    assert {signal.outcome for signal in signals} <= OUTCOMES.keys()
