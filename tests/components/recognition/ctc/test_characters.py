from __future__ import annotations

import pytest

from components.recognition.ctc.characters import encode, list_characters, spell


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("A man's T-shirt, red.", "a man's t shirt red"),
        ("It\u2019s  10 o'clock!", "it's 10 o'clock"),
        ("Stra\u00dfe u\u0308ber", "stra\u00dfe \u00fcber"),
        (" \u2014 ", ""),
    ],
)
def test_texts_are_spelled_without_punctuation(text: str, spelled: str) -> None:
    assert spell(text) == spelled


def test_numbers_are_after_the_blank_and_unknown_characters_are_left_out() -> None:
    characters = list_characters(["Ab", "b."])
    assert characters == (" ", "a", "b")
    assert encode("B a, c", characters) == [3, 1, 2, 1]
