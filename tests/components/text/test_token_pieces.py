"""The text of tokens' pieces: bytes become letters, letters that look like bytes stay."""

from __future__ import annotations

from components.text.matching.word_values import spell_words
from components.text.token_pieces import spell_pieces


def test_pieces_of_bytes_are_spelled_in_letters_and_the_last_one_has_what_several_write() -> None:
    pieces = ["Mit", "ĠbeidenĠH", "Ã¤n", "den", ".", "ĠðŁ", "Ĳķ", "Ċ", "<|im_end|>"]
    assert spell_pieces(pieces) == ["Mit", " beiden H", "än", "den", ".", " ", "🐕", "\n", ""]
    assert spell_words(["ä¸ĸ", "ç", "ķĮ"], r"\S") == [("世", [0]), ("界", [2])]


def test_letters_are_no_bytes() -> None:
    assert spell_pieces(["▁Grün", "er", "</s>"]) == [" Grün", "er", ""]
    assert spell_pieces(["Ġurnata ", "Ã¤"]) == ["Ġurnata ", "Ã¤"]
    assert spell_pieces(["Grün", "Ġer"]) == ["Grün", " er"]
