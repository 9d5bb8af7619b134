"""What kind ``estimate`` has annotated, as votes of ROVER and as weights of systems."""

from __future__ import annotations

import pytest

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.system_combination import check_combination, combine_outputs
from components.ensembling.output_level.voting.word_confidences import split_words
from components.errors import ConfigError
from components.records import Hypothesis, NBest
from components.text.normalization.text_normalization import Normalizer


def text_of(config: dict[str, object], *hypotheses: Hypothesis) -> str:
    """What is combined of systems with one hypothesis each."""
    settings = SystemCombinationConfig.model_validate(config)
    names = [str(number) for number, _ in enumerate(hypotheses, 1)]
    check_combination(settings, names)
    outcomes = {
        name: NBest(utterance_id="u", hypotheses=(hypothesis,), language="en")
        for name, hypothesis in zip(names, hypotheses, strict=True)
    }
    outcome = combine_outputs("u", outcomes, settings, "en")
    return outcome.best.text


def estimated(text: str, *confidences: float, **features: float) -> Hypothesis:
    return Hypothesis(
        text=text, score=-1.0, n_tokens=2, system="s", word_confidences=confidences, features=features
    )


CALIBRATED = {"method": "rover", "confidence": "calibrated", "voting": "average", "n_best": 1, "alpha": 0.0}


def test_a_sure_system_outvotes_an_unsure_one_word_by_word() -> None:
    first, second = estimated("the cat sad", 0.9, 0.9, 0.2), estimated("the bat sat", 0.9, 0.3, 0.8)
    assert text_of(CALIBRATED, first, second) == "the cat sat"
    uncalibrated = {**CALIBRATED, "voting": "frequency", "confidence": "probability"}
    assert text_of(uncalibrated, first, second) == first.text


def test_confidences_follow_words_through_punctuation_and_normalization() -> None:
    hypothesis = estimated("Well , DON'T go", 0.1, 0.5, 0.2, 0.3)
    assert [(w.key, w.confidence) for w in split_words(hypothesis, "en", calibrated=True)] == [
        ("well", 0.1),
        ("dont", 0.2),
        ("go", 0.3),
    ]
    lower: Normalizer = lambda text: text.lower().replace(" ,", "").replace("don't", "do not")  # noqa: E731
    split = split_words(hypothesis, "en", lower, calibrated=True)
    assert [(w.key, w.confidence) for w in split] == [("well", 0.1), ("do", 0.2), ("not", 0.2), ("go", 0.3)]
    spaceless = split_words(estimated("你好 吗", 0.4, 0.6), "zh", calibrated=True)
    assert [w.confidence for w in spaceless] == [0.4, 0.4, 0.6]


def test_a_weight_by_estimate_decides_between_two() -> None:
    config = {"method": "minimum_bayes_risk", "utility": "wer", "weights_by": "expected_wer"}
    bad, good = estimated("a b", expected_wer=80.0), estimated("a c", expected_wer=10.0)
    assert text_of(config, bad, good) == "a c"
    assert text_of({**config, "weights_by": None}, bad, good) == "a b"
    worst = estimated("a b", expected_wer=300.0)
    assert text_of(config, worst, worst.model_copy(update={"text": "a c"})) == "a b"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CALIBRATED, "expected a confidence of every word, found none of the texts of input 2"),
        ({**CALIBRATED, "n_best": 5}, "n_best: expected 1 with confidence calibrated"),
        ({**CALIBRATED, "voting": "frequency"}, "voting: expected average or maximum"),
        ({"method": "rover", "weights_by": "p_correct"}, "expected an estimate p_correct of every text"),
    ],
)
def test_what_is_missing_is_one_line(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        text_of(config, estimated("a", 0.5, p_correct=0.5), estimated("b"))
    assert "\n" not in str(caught.value)
