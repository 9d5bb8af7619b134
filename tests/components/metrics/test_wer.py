from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.metrics.error_rates.recognition import recognition_scores, utterance_errors
from components.text.matching.alignment import align, count_operations

AS_IS = "none"
texts = st.lists(st.sampled_from(["a", "b", "cd"]), max_size=5).map(" ".join)


def scores(refs: dict[str, str], hyps: dict[str, str], language: str = "de") -> dict[str, float]:
    result = recognition_scores(refs, hyps, language=language, n_total=9)
    return {name: score.value for name, score in result.items()}


GOLDEN = [
    # reference, hypothesis, WER, CER: counted by hand
    ("ein Hund", "ein Hund", 0.0, 0.0),
    ("ein Hund", "Ein Hund!", 0.0, 0.0),  # case and punctuation are not words
    ("ein Hund", "ein Mund", 50.0, 100 / 8),  # 1 of 2 words, 1 of 8 characters
    ("ein Hund", "", 100.0, 100.0),
    ("ein", "ein ein ein ein", 300.0, 400.0),  # an error rate may exceed 100
    ("Müll", "Mu\u0308ll", 0.0, 0.0),  # NFC first
    ("a b c", "b c d", 200 / 3, 60.0),  # words: delete a, insert d; characters: a, b and c substituted
]


@pytest.mark.parametrize(("reference", "hypothesis", "wer", "cer"), GOLDEN)
def test_golden(reference: str, hypothesis: str, wer: float, cer: float) -> None:
    result = scores({"u": reference}, {"u": hypothesis})
    assert result == {"wer": pytest.approx(wer), "cer": pytest.approx(cer)}


def test_corpus_level_is_errors_over_words_not_a_mean_of_rates() -> None:
    result = scores({"1": "a", "2": "a b c d e f g h i"}, {"1": "x", "2": "a b c d e f g h i"})
    assert result["wer"] == pytest.approx(10.0)  # 1 error in 10 words; the mean of rates would be 50


def test_silence_is_kept_apart_and_its_words_are_counted() -> None:
    refs = {"1": "a b", "2": "", "3": "...", "4": " "}
    hyps = {"1": "a b", "2": "you you", "3": "", "4": "thanks"}
    result = recognition_scores(refs, hyps, language="de", n_total=4)
    assert result["wer"].value == 0.0
    assert (result["wer"].n, result["wer"].n_total) == (1, 4)
    assert "empty:3 apart" in result["wer"].signature
    assert (result["hallucinations"].value, result["hallucinations"].n) == (pytest.approx(200 / 3), 3)
    assert "2 of 3 without speech|words:3" in result["hallucinations"].signature
    assert utterance_errors(refs, hyps, language="de")["2"].rate is None


def test_nothing_to_score_is_no_score() -> None:
    assert scores({}, {}) == {}
    assert scores({"1": "a"}, {}) == {}
    assert scores({"1": ""}, {"1": ""}) == {"hallucinations": 0.0}


def test_signature_states_the_protocol() -> None:
    signature = recognition_scores({"1": "a b"}, {"1": "a"}, language="en", n_total=1)["wer"].signature
    for part in (
        "wer|corpus|word:2",
        "norm:",
        "empty:0 apart",
        "jiwer:",
        "bs:10000|ci:percentile|seed:12345",
    ):
        assert part in signature


def test_languages_without_spaces_are_scored_in_characters() -> None:
    result = scores({"1": "你好 世界。"}, {"1": "你好世间"}, language="zh")
    assert result == {"cer": pytest.approx(25.0)}
    assert utterance_errors({"1": "你好"}, {"1": "你"}, language="zh-TW")["1"].rate == 50.0


@settings(max_examples=40)
@given(st.lists(st.tuples(texts, texts), max_size=6))
def test_counts_are_the_edit_alignments(pairs: list[tuple[str, str]]) -> None:
    refs, hyps = ({str(i): p[side] for i, p in enumerate(pairs)} for side in (0, 1))
    for key, result in utterance_errors(refs, hyps, language="de", normalizer=AS_IS).items():
        edits = count_operations(align(refs[key].split(), hyps[key].split()))
        assert result.length == len(refs[key].split())
        assert result.errors == edits["substitute"] + edits["insert"] + edits["delete"]
