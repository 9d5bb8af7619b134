from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.mbr_utilities import (
    UtilityMetric,
    negative_wer,
    pairwise_utility,
    sentence_bleu,
    sentence_chrf,
)
from components.metrics.error_rates.recognition import utterance_errors
from components.metrics.table import get_metric

HARD = ["", " ", "a", "A dog runs.", "a dog runs", "the the the the", "Der Hund, er läuft!", "ein  Hund", "…"]
texts = st.lists(st.text("ab .é", max_size=12), min_size=1, max_size=4)


@settings(max_examples=150)
@given(texts)
@example(HARD)
def test_chrf_is_sacrebleus(candidates: list[str]) -> None:
    reference = CHRF()
    expected = [[reference.sentence_score(a, [b]).score for b in candidates] for a in candidates]
    np.testing.assert_allclose(sentence_chrf(candidates, candidates, "de"), expected, atol=1e-9)


@settings(max_examples=150)
@given(texts)
@example([*HARD, "a man is riding a horse on the beach", "a man rides a horse on a beach today"])
def test_bleu_is_sacrebleus(candidates: list[str]) -> None:
    reference = BLEU(effective_order=True)
    expected = [[reference.sentence_score(a, [b]).score for b in candidates] for a in candidates]
    np.testing.assert_allclose(sentence_bleu(candidates, candidates, "de"), expected, atol=1e-9)


def test_wer_is_jiwers() -> None:
    candidates = ["a dog runs", "a dog", "the dog runs fast", "cat"]
    expected = [[-100.0 * jiwer.wer(b, a) for b in candidates] for a in candidates]
    np.testing.assert_allclose(negative_wer(candidates, candidates, "de"), expected)
    assert negative_wer(["Zwei  Hunde!", "zwei hunde"], ["Zwei  Hunde!", "zwei hunde"], "de").tolist() == [
        [0, 0],
        [0, 0],
    ]
    assert negative_wer(["", "two words"], ["", "two words"], "de").tolist() == [[0, -100], [-200, 0]]
    assert negative_wer(["你好", "你 好吗"], ["你好", "你 好吗"], "zh").tolist() == pytest.approx(
        np.array([[0, -100 / 3], [-50, 0]])
    )


@pytest.mark.parametrize("normalizer", ["by-language", "none", "open-asr"])
def test_error_rates_are_utilities_under_any_normalizer(normalizer: str) -> None:
    candidates = ["The wi-fi's e-mail", "the wifi s email", "The White Paper", "the whitepaper"]
    table = pairwise_utility(UtilityMetric(get_metric("wer", normalizer)), candidates, "en")
    for row, text in zip(table, candidates, strict=True):
        for value, reference in zip(row, candidates, strict=True):
            errors = utterance_errors({"u": reference}, {"u": text}, language="en", normalizer=normalizer)
            assert value == pytest.approx(-(errors["u"].rate or 0.0))


def test_what_needs_more_than_two_texts_is_no_utility() -> None:
    for name in ("hallucinations", "cpwer", "tcpwer"):
        with pytest.raises(ValidationError, match="expected one of wer, cer"):
            SystemCombinationConfig(utility=name)


def test_a_normalizer_of_utilities_is_in_the_key_where_it_counts() -> None:
    """A stage of before, when the setting had no effect on them, is not taken for one of now."""
    plain = SystemCombinationConfig(method="minimum_bayes_risk", utility="wer")
    assert "utility_normalizer" not in plain.key_parameters()
    normalized = plain.model_copy(update={"normalizer": "open-asr"})
    assert normalized.key_parameters()["utility_normalizer"] == "open-asr"
    assert "utility_normalizer" not in normalized.model_copy(update={"utility": "chrf"}).key_parameters()
