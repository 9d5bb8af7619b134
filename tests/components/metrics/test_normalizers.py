from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.normalizers import check_normalizer, normalizer_for
from components.run_record import Score
from components.text.languages import without_spaces


@pytest.mark.parametrize(
    ("language", "name", "text", "scored"),
    [
        ("en", "whisper-english", "Um, it's TWENTY metres!", "it is 20 meters"),
        ("en-GB", "whisper-english", "Mr. Smith", "mister smith"),
        ("de", "basic", "Äpfel – süß?", "äpfel süß"),
        ("hi", "basic", "हिन्दी।", "हिन्दी"),
        ("zh_TW", "basic-no-spaces", "你好， 世界。", "你好世界"),
        ("und", "basic", "...", ""),
    ],
)
def test_default_of_a_language(language: str, name: str, text: str, scored: str) -> None:
    result = normalizer_for(language)
    assert result.name == name
    assert result(text) == scored


def test_languages_without_spaces() -> None:
    assert [without_spaces(code) for code in ("zh", "ja-JP", "TH", "ko", "de")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_normalizer_that_is_set_is_that_of_all_languages_and_signed() -> None:
    references, hypotheses = (
        {"a": "Der Haus-Meister!", "b": "Karl's"},
        {"a": "der hausmeister", "b": "carl s"},
    )
    language = {"a": "de", "b": "en"}

    def score(normalizer: str) -> Score:
        return recognition_scores(
            references, hypotheses, language=language, n_total=2, normalizer=normalizer
        )["wer"]

    # "none": all 3 words differ, and "s" is one too many
    assert [score(name).value for name in ("open-asr", "none")] == [0.0, pytest.approx(400 / 3)]
    assert "norm:none/1|" in score("none").signature
    signature = score("open-asr").signature
    assert "de: open-asr-multilingual/d1e99b2" in signature
    assert "en: open-asr-english/d1e99b2" in signature
    assert "merge-compounds" in signature


def test_the_leaderboards_protocol_needs_its_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.metrics.normalizers.find_spec", lambda name: None)
    assert check_normalizer("by-language") == "by-language"
    with pytest.raises(ConfigError, match=r"kaldialign and num2words.*antiphon\[open-asr\]"):
        check_normalizer("open-asr")
