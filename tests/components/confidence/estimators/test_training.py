"""Estimators that are fitted on examples whose truth is known, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.confidence.estimators.config import EstimatorConfig
from components.confidence.estimators.examples import Example, TextFeatures
from components.confidence.estimators.fitted_estimator import FittedEstimator, read_estimator
from components.confidence.estimators.methods import METHODS
from components.confidence.estimators.training import fit_estimator
from components.errors import ConfigError, DataError
from components.records import Hypothesis, NBest
from tests.components.confidence.estimators.made_up import WORDS, transcripts


def annotate(fitted: FittedEstimator, examples: list[Example]) -> list[NBest]:
    texts = [
        NBest(
            utterance_id=example.id,
            hypotheses=(Hypothesis(text=example.text, score=-1.0, n_tokens=WORDS, system="s"),),
        )
        for example in examples
    ]
    return fitted.annotate(texts, [example.features for example in examples])


@pytest.mark.parametrize("method", METHODS)
def test_a_probability_is_the_share_of_what_is_right(method: str, tmp_path: Path) -> None:
    """On texts that were not used, against the probabilities that the words were drawn with."""
    config = EstimatorConfig.model_validate({"method": method, "normalizer": "none"})
    fitted = fit_estimator(transcripts(300), "transcript", config)
    assert set(fitted.targets) == {"word", "p_correct", "expected_wer"}
    fresh = transcripts(400, seed=1)
    texts = annotate(fitted, fresh)
    estimates = np.concatenate([text.best.word_confidences for text in texts])
    values = np.concatenate([[word["mean_log_prob"] for word in each.features.words] for each in fresh])
    true = 1 / (1 + np.exp(-values))
    assert np.abs(estimates - true).mean() < 0.06
    rate = 100 * (1 - true.reshape(-1, WORDS).mean(1))
    expected = np.asarray([text.best.features["expected_wer"] for text in texts])
    assert np.corrcoef(rate, expected)[0, 1] > 0.8
    assert abs(rate.mean() - expected.mean()) < 4
    fitted.save(tmp_path)
    assert annotate(read_estimator(tmp_path), fresh) == texts  # JSON keeps every bit


def test_the_stated_quality_is_that_of_fresh_texts() -> None:
    from sklearn.metrics import roc_auc_score

    config = EstimatorConfig(targets=("word",), normalizer="none")
    fitted = fit_estimator(transcripts(200), "transcript", config)
    quality = fitted.targets["word"].quality
    fresh = transcripts(1000, seed=2)
    right = [w in e.references[0].split() for e in fresh for w in e.text.split()]
    estimates = np.concatenate([text.best.word_confidences for text in annotate(fitted, fresh)])
    assert quality["auroc"] == pytest.approx(roc_auc_score(right, estimates), abs=0.03)
    assert quality["ece"] < 0.05
    assert quality["n"] == 200 * WORDS


def test_features_that_mean_nothing_promise_nothing() -> None:
    """Held-out quality of noise is that of chance, also for trees, which learn it by heart."""
    noise = [replace(e, features=TextFeatures({"noise": e.features.text["noise"]})) for e in transcripts(200)]
    config = EstimatorConfig(method="gradient_boosting", targets=("p_correct",), normalizer="none")
    quality = fit_estimator(noise, "transcript", config).targets["p_correct"].quality
    assert abs(quality["auroc"] - 0.5) < 0.12
    assert quality["nce"] < 0.02


def test_utterances_of_one_sentence_are_never_divided() -> None:
    """Otherwise a feature that names the sentence would look good."""
    examples = []
    for example in transcripts(60):
        name = TextFeatures({"name": float(hash(example.references[0]) % 1000)})
        examples += [replace(example, id=f"{example.id}-{copy}", features=name) for copy in range(5)]
    config = EstimatorConfig(method="gradient_boosting", targets=("expected_wer",), normalizer="none")
    quality = fit_estimator(examples, "transcript", config).targets["expected_wer"].quality
    assert quality["pearson"] < 0.3


@pytest.mark.parametrize(
    ("examples", "values", "fault"),
    [
        (transcripts(49), {}, "at least 50 development utterances with a text and a reference, found 49"),
        (
            [replace(e, text=e.references[0]) for e in transcripts(60)],
            {},
            "word: .*at least 5 .*are not.*found 0",
        ),
        (
            [replace(e, text="x") for e in transcripts(60)],
            {"targets": ("p_correct",)},
            "that are so.*found 0",
        ),
        (transcripts(60), {"features": ("entropy",)}, "features: no text has entropy"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_a_line(
    examples: list[Example], values: dict[str, object], fault: str
) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        fit_estimator(examples, "transcript", EstimatorConfig.model_validate(values))
    assert "\n" not in str(caught.value)


def translations(n: int) -> list[Example]:
    """Half of them share no letter with their reference."""
    texts, features = ["der Hund läuft", "xyz"], [TextFeatures({"f": 0.0}), TextFeatures({"f": 1.0})]
    return [
        Example(str(k), texts[k % 2], (f"der Hund läuft {k}",), "de", features[k % 2], texts[0])
        for k in range(n)
    ]


@pytest.mark.parametrize("against_gold", [False, True])
def test_a_translation_is_bad_below_the_mean_or_below_that_of_the_gold_transcript(against_gold: bool) -> None:
    config = EstimatorConfig(targets=("p_bad", "expected_chrf"), against_gold=against_gold)
    fitted = fit_estimator(translations(60), "translation", config)
    assert (fitted.bad_below is None) == against_gold
    good, bad = (text.best.features for text in annotate(fitted, translations(2)))
    assert good["p_bad"] < 0.1 < 0.9 < bad["p_bad"]
    assert good["expected_chrf"] > 70 > 10 > bad["expected_chrf"] >= 0


def test_a_feature_that_the_system_lacks_is_named_and_one_that_a_text_lacks_is_filled_in() -> None:
    fitted = fit_estimator(transcripts(60), "transcript", EstimatorConfig(targets=("p_correct",)))
    without = TextFeatures({"noise": 0.0})
    both = TextFeatures({"noise": 0.0, "mean_log_prob": 1.0})
    assert fitted.find_missing_features([without, without]) == ["mean_log_prob"]
    assert fitted.find_missing_features([without, both]) == []
    text = annotate(fitted, [replace(transcripts(1)[0], features=without)])[0]
    assert 0 < text.best.features["p_correct"] < 1


def test_a_list_with_one_text_lacks_no_margin() -> None:
    """Its hypotheses differ in their tokens alone: "Ja." by two pieces and by one."""
    examples = [
        replace(e, features=TextFeatures({"margin": float(n % 2)})) for n, e in enumerate(transcripts(60))
    ]
    fitted = fit_estimator(examples, "transcript", EstimatorConfig(targets=("p_correct",)))
    assert fitted.find_missing_features([TextFeatures({"posterior": 0.9})]) == []
    assert fitted.find_missing_features([TextFeatures({})]) == ["margin"]  # a system without lists


@pytest.mark.parametrize("content", ["{}", "not json", '{"format": 2}'])
def test_a_damaged_estimator_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "estimator.json").write_text(content)
    with pytest.raises(ConfigError, match="expected a fitted estimator") as caught:
        read_estimator(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="expected a fitted estimator"):
        read_estimator(tmp_path / "none.json")


def test_without_the_extra_its_install_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"expects the extra 'boosting', .*'antiphon\[boosting\]'"):
        METHODS["gradient_boosting"].fit(np.zeros((2, 1)), np.zeros(2), True, 1)
