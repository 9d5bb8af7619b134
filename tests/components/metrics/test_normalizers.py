from __future__ import annotations

import pytest

from components.languages import without_spaces
from components.metrics.normalizers import normalizer_for


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
